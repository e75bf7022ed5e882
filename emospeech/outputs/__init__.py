"""What leaves the house: submissions, reports, exported models."""
