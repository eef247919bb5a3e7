"""
Learning-rate schedules
=======================

A schedule gives the learning rate of each update. Here are 100 epochs of 10 updates.
"""

import matplotlib.pyplot as plt
import numpy as np

from nablas.schedules import Cosine, ExponentialDecay, OneCycle, Plan, StepDecay, WarmUp

plan = Plan(steps_per_epoch=10, total_steps=1000)
steps = np.arange(1000)
schedules = [
    StepDecay(0.1, every=30, factor=0.3),
    ExponentialDecay(0.1, factor=0.97),
    Cosine(0.1),
    WarmUp(Cosine(0.1), steps=100),
    OneCycle(0.1),
]
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
for schedule in schedules:
    ax.plot(steps / 10, schedule.rates(steps, plan), label=str(schedule))
ax.set(xlabel="epoch", ylabel="learning rate")
ax.legend(fontsize=8)
