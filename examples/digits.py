import nablas as nb
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X, y = load_digits(return_X_y=True)  # 1,797 images of 8 x 8 pixels
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, test_size=0.2, random_state=0)
X_train, X_val, y_train, y_val = train_test_split(X_train, y_train, random_state=0)

net = nb.MLP([64, 64, 10], activation="relu", output="softmax", seed=0)
stop = nb.EarlyStopping(patience=10)
history = net.fit(
    X_train,
    y_train,
    optimizer=nb.Adam(2e-3),
    epochs=100,
    validation_data=(X_val, y_val),
    l2=1e-4,
    callbacks=[stop],
)
print(f"{len(history)} epochs, best {stop.best_epoch}, {1e3 * sum(history.seconds):.0f} ms")
print(f"accuracy {net.score(X_test, y_test):.3f}, predicted {net.predict(X_test[:5])}")
net.save("digits.safetensors")
print(nb.MLP.load("digits.safetensors"))
