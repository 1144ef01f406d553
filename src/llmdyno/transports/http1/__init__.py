"""HTTP/1.1 over our own sockets, with the kernel's receive stamps. :mod:`transport` is the entry point."""
