"""AWS: credentials, regions, endpoints and signatures, through botocore and boto3 (the extra ``aws``).

In: the user's region, profile and endpoint. Out: where a service is, how a request to it is signed, and clients of the
control plane. It knows no run and no load.
"""
