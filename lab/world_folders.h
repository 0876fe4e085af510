/* SPDX-License-Identifier: MIT */
/*
 * world_folders.h - real folders for what drivers keep in files (world_folder of scenario_world.h).
 *
 * They lie in memory (/dev/shm) where that is there, in a folder of the process that calls world_folders_own first; its
 * children have theirs in it, so that nothing is left of a child that is killed.
 */
#ifndef LAB_WORLD_FOLDERS_H
#define LAB_WORLD_FOLDERS_H

void world_folders_own(void);

/* The run has ended: its folders are removed. */
void world_folders_end(void);

/* And all of the children's. For who called world_folders_own. */
void world_folders_remove(void);

#endif
