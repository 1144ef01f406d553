"""Amazon Bedrock by the hour: provisioned throughput."""
