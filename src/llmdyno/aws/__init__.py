"""AWS: credentials, regions, endpoints and signatures, through botocore and boto3 (the extra `aws`).

In: what the user said of region, profile and endpoint. Out: where the service is and how a request to it
is signed. botocore is imported in this room alone.
"""
