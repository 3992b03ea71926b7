y = x * 3 + 4
y
