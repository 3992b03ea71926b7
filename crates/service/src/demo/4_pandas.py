import pandas as pd

frame = pd.DataFrame({"part": ["x", "y", "x + y", "x * y"], "value": [x, y, x + y, x * y]})
frame
