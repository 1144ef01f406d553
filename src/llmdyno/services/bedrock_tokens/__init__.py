"""Amazon Bedrock by the token: foundation models, inference profiles, deployments on demand."""
