"""How good is it: a judge of toy-world pictures, figures about pictures, and tables of methods."""
