"""What is measured on an instance and is no command of howdah: given are its file, a database, and where to report."""
