"""Systems of one vector a clip: features, their standardisation, and an estimator that is fitted to them."""
