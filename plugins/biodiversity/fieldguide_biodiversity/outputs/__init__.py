"""What is written of named organisms: tables, Darwin Core, folders."""
