"""Generator of a small synthetic camera data set in the nuScenes layout; started by ``demo/make_nuscenes_demo.py``."""
