"""All runs of a folder beside each other: `entries` reads them, `tables` writes them."""
