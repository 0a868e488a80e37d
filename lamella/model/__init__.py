"""What things are: frozen dataclasses, enums and tables. No I/O, no clock."""
