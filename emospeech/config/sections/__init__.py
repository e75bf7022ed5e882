"""The sections of a recipe: what each may say."""
