"""What a network is fed with: examples of a manifest, cropped and augmented, in batches and in their order."""
