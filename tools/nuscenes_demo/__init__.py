"""Generator of a small synthetic camera data set in the nuScenes layout; started by ``tools/make_nuscenes_demo.py``."""
