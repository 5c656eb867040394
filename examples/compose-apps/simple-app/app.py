import os
import time

while True:
    print(os.environ["FROM_COMPOSE"], flush=True)
    time.sleep(60)
