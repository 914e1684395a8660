// SPDX-License-Identifier: Apache-2.0

// Package backupitemaction watches and changes what Velero backs up.
//
// Velero hands an object to every action that AppliesTo it, one after the other,
// sorted by their names, and a PersistentVolume to a VolumeSnapshotter after that.
// With several item block workers it does so at the same time in one process. What
// that asks of an action:
//
//   - It returns no error. The error of one object leaves out of the backup also those
//     that brought it along: of a PersistentVolume the claim and the Pod. What an action
//     cannot do it logs, as a warning; an entry at the level of error makes the backup
//     PartiallyFailed.
//   - It never changes its input. It returns the very item that came if there is
//     nothing to do, else a copy.
//   - Nothing is contacted before Execute: an error of a constructor or of AppliesTo
//     would fail every backup.
//   - No call of Velero has a deadline. An action sets its own.
//   - An additional item that Velero cannot read is an error of the object, so an action
//     returns only what it has read. Velero reads it from the API server also where the
//     backup has it, so an action returns it once in a backup. By withCompanions they come
//     past the lists of the Backup, and a restore knows of them. The annotation that this
//     takes stays in the backup, holds for the actions behind, and overrides the label by
//     which users keep objects out.
//
// And of one of version 2, which begins operations that Velero waits for:
//
//   - It begins none while the Backup is Finalizing or FinalizingPartiallyFailed, and it
//     returns no items for that phase: a PersistentVolume, claim or Pod among them makes
//     Velero panic again and again.
//   - Velero polls from new processes, so all that is known of an operation is in its id.
//   - An operation costs Velero a second upload of the backup's tarball, and the first
//     error of a poll fails it for good.
//
// An action has a file of its name, with the exported name that it is registered by, and
// files <action>_<part>.go where it is long.
package backupitemaction
