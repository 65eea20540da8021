"""Generic codecs without protocol knowledge: CBOR as the reference's minicbor speaks it, BARE, hexadecimal."""
