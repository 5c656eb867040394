"""Whom a link trusts at a gateway that no public authority vouches for: an authority's certificate, or the gateway's.

A Hive keeps the very certificate that its owner compared, and hands that on. Whoever signed it is not known
here, and its owner may have reached the gateway by an address that does not stand in it.
"""

import ssl

PEM_BEGINS = "-----BEGIN "


def trusting_alone(pem: str) -> ssl.SSLContext:
    """Return what trusts these certificates and no others. Raises OSError (ssl.SSLError is one) where there is none.

    Authorities vouch for names, which are compared. What is none vouches for itself alone, whatever name it has.
    """
    context = ssl.create_default_context(cadata=pem)
    if not context.get_ca_certs():  # it leaves out what is no authority
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
    return context
