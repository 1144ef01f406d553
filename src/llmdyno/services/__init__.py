"""What a managed service does and bills. :mod:`service` is the contract; one folder a service."""
