// SPDX-License-Identifier: Apache-2.0

// Package restoreitemaction changes what Velero restores so that it works where it
// is restored.
//
// Velero hands an object to every action that AppliesTo it, one after the other, in
// an order that is its own: as it was backed up (ItemFromBackup, with its status)
// and as the actions before have left it (Item). What that asks of an action:
//
//   - It decides by ItemFromBackup, the settings and the cluster, never by what
//     another action has written. So the order does not matter, and an action that
//     runs twice changes nothing the second time.
//   - It never changes its input. It returns the very item that came if there is
//     nothing to do, else a copy, with the fields that it does not know (execute).
//   - Rules are about the cluster that was backed up: its namespaces, names, labels.
//   - Settings that cannot be read are an error, for the objects that they are about:
//     such an object is not restored. So is a conversion that was asked for and cannot
//     be carried out. What no API server would have taken is left to the one here.
//   - A check that cannot be made, for want of a permission, is left out with one
//     warning in a restore (internal/once).
//   - What it changes is logged at the level of info with the object (fieldsOf) and
//     the old and new value, and what the user must look at as a warning.
//   - Nothing is contacted before Execute, and nothing outlives its restore.
//
// An action has a file of its name, with the exported name that it is registered
// by, and files <action>_<part>.go where it is long. Constructors has them all, for
// main and for the test that runs them in many orders. volume-ready is another kind
// of action: it is of version 2, and goes on while Velero waits for it.
package restoreitemaction
