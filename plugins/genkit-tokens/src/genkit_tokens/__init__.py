"""Token models for genkit: a tokenizer turns images into tokens, a transformer writes them."""
