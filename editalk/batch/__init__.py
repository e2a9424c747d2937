"""Many jobs of `apply`: their list, the processes that do them, and what is remembered of them."""
