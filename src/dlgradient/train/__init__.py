"""Training: update functions, applied to containers of learnables."""
