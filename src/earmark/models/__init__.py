"""Model architectures, cards, published weights, export."""
