"""VAE architectures for genkit, found through its entry point."""
