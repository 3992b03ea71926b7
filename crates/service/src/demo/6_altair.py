import altair as alt

alt.Chart(frame, title="The frame, with Altair").mark_bar().encode(x="part", y="value", tooltip=["part", "value"])
