import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(7, 4))
axes.plot([0, 1, 2, 3], [0, x, y, x + y], marker="o")
axes.set_title(f"x = {x}, y = {y}")
axes.grid(alpha=0.3)
figure
