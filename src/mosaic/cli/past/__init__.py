"""A volume's past, as the command line reads it: from the Hive that it is logged in to, or from a store alone.

Everything is decrypted here. A Hive, or a store, hands out signed heads and
ciphertext, and is told neither names nor content.
"""
