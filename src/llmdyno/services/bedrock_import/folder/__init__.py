"""What is known of a model folder before it is uploaded: whether the service imports it, and what to know about it."""
