"""View models, and the renderers beside them: no query, no HTML in the models."""
