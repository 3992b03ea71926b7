import plotly.express as px

px.bar(frame, x="part", y="value", title="The frame, with Plotly")
