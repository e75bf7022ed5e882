"""Several trained models as one: found in folders, asked together, averaged."""
