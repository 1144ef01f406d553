"""Amazon Bedrock Custom Model Import: model copies, billing windows, prices, imports."""
