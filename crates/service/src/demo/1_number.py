# Change this number and run the cell: everything below follows.
x = 12
