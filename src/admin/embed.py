"""Makes a C array of a file's bytes: embed.py NAME INPUT OUTPUT."""
import sys

name, source, target = sys.argv[1:]
with open(source, "rb") as file:
    data = file.read() + b"\0"
with open(target, "w", encoding="ascii") as file:
    file.write(f"extern const char {name}[];\nconst char {name}[] = {{\n")
    for at in range(0, len(data), 24):
        file.write(" ".join(f"{byte if byte < 128 else byte - 256}," for byte in data[at:at + 24]) + "\n")
    file.write("};\n")
