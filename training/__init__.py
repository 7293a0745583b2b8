"""The recipe of the embedded speech model: text, speech, features, training, export, evaluation."""
