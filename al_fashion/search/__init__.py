"""Photos that look alike, found over the cached features: faiss and NumPy alone, no model."""
