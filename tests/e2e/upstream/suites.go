// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
)

// installation is how Velero is installed for suites. One run of upstream's test program is for one of them.
type installation string

const (
	// plain has no volumes.
	plain installation = "plain"
	// volumes has a CSI driver, whose disks the plugin snapshots, and Velero's node agent, which backs files up.
	volumes installation = "volumes"
	// snapshots has a CSI driver that makes VolumeSnapshots of disks, of which the node agent moves the files.
	snapshots installation = "snapshots"
	// migration has the volumes of volumes, in two clusters.
	migration installation = "migration"
)

func installations() []installation { return []installation{plain, volumes, snapshots, migration} }

// suite is those specs of upstream that have exactly its labels.
type suite struct {
	// labels are joined by +, as upstream's README names suites.
	labels string
	// runs is the installation that it runs with.
	runs installation
	// fast says that it runs also where a test may take two minutes.
	fast bool
	// double says that its workload, Kibishii, is one of ours that only looks the same.
	double bool
	// absent is why it cannot run here.
	absent string
}

// Why suites cannot run.
const (
	needsReleases = "the images of older releases of Velero are in a registry"
)

// suites are all of upstream's. A spec that is in none of them is an error, so that none is left out silently.
func suites() []suite {
	return []suite{
		{labels: "ResourceFiltering+ExcludeFromBackup", runs: plain, fast: true},
		{labels: "ResourceFiltering+ExcludeNamespaces+Backup", runs: plain},
		{labels: "ResourceFiltering+ExcludeNamespaces+Restore", runs: plain},
		{labels: "ResourceFiltering+ExcludeResources+Backup", runs: plain},
		{labels: "ResourceFiltering+ExcludeResources+Restore", runs: plain},
		{labels: "ResourceFiltering+IncludeNamespaces+Backup", runs: plain},
		{labels: "ResourceFiltering+IncludeNamespaces+Restore", runs: plain},
		{labels: "ResourceFiltering+IncludeResources+Backup", runs: plain},
		{labels: "ResourceFiltering+IncludeResources+Restore", runs: plain},
		{labels: "ResourceFiltering+LabelSelector", runs: plain},
		{labels: "Basic+ClusterResource", runs: plain, fast: true},
		{labels: "Basic+NodePort", runs: plain},
		{labels: "ResourceModifier+Restore", runs: plain, fast: true},
		{labels: "PrivilegesMgmt+SSR", runs: plain},
		{labels: "Backups+BackupsSync", runs: plain},
		{labels: "Schedule+Periodical+Pause+LongTime", runs: plain},
		{labels: "Schedule+OrderedResources", runs: plain},
		{labels: "APIGroup+APIVersion+SKIP_KIND+LongTime", runs: plain},
		{labels: "Scale+LongTime", runs: plain},

		{labels: "Basic+StorageClass", runs: volumes},
		{labels: "Schedule+InProgress+SKIP_KIND+LongTime", runs: volumes},
		{labels: "BackupVolumeInfo+SkippedVolume", runs: volumes},
		{labels: "BackupVolumeInfo+NativeSnapshot", runs: volumes},

		{labels: "ResourceFiltering+ResourcePolicies+Restic", runs: volumes},
		{labels: "BackupVolumeInfo+FilesystemUpload", runs: volumes},
		{labels: "PVBackup+OptIn+FSB", runs: volumes},
		{labels: "PVBackup+OptOut+FSB", runs: volumes},
		{labels: "UploaderConfig+ParallelFilesUpload", runs: volumes},
		{labels: "UploaderConfig+ParallelFilesDownload", runs: volumes},

		{labels: "BackupVolumeInfo+CSISnapshot", runs: snapshots},
		{labels: "BackupVolumeInfo+CSIDataMover", runs: snapshots},
		{labels: "NodeAgentConfig+LoadAffinity", runs: snapshots},
		{labels: "RepoMaintenance+LongTime", runs: snapshots},

		{labels: "Basic+Snapshot+SkipVanillaZfs+AdditionalBSL", runs: volumes, double: true},
		{labels: "Basic+Snapshot+RetainPV+AdditionalBSL", runs: volumes, double: true},
		{labels: "Basic+Restic+AdditionalBSL", runs: volumes, double: true},
		{labels: "Basic+Restic+RetainPV+AdditionalBSL", runs: volumes, double: true},
		{labels: "Backups+Deletion+Snapshot+SkipVanillaZfs", runs: volumes, double: true},
		{labels: "Backups+Deletion+Restic", runs: volumes, double: true},
		{labels: "Backups+TTL+LongTime+Snapshot+SkipVanillaZfs", runs: volumes, double: true},
		{labels: "BSL+Deletion+Snapshot+SkipVanillaZfs+AdditionalBSL", runs: volumes, double: true},
		{labels: "BSL+Deletion+Restic+AdditionalBSL", runs: volumes, double: true},
		{labels: "NamespaceMapping+Single+Snapshot+SkipVanillaZfs", runs: volumes, double: true},
		{labels: "NamespaceMapping+Multiple+Snapshot+SkipVanillaZfs", runs: volumes, double: true},
		{labels: "NamespaceMapping+Single+Restic", runs: volumes, double: true},
		{labels: "NamespaceMapping+Multiple+Restic", runs: volumes, double: true},
		{labels: "Migration+Snapshot+SkipVanillaZfs", runs: migration, double: true},
		{labels: "Migration+FSB", runs: migration, double: true},

		{labels: "Upgrade+Snapshot+SkipVanillaZfs", absent: needsReleases},
		{labels: "Upgrade+Restic", absent: needsReleases},
		{
			labels: "APIGroup+APIExtensions+SKIP_KIND",
			absent: "restores from a cluster older than Kubernetes 1.22 into a newer one, as two contexts of one kubeconfig",
		},
	}
}

// match returns the index of the suite of a spec with the given labels.
func match(all []suite, labels []string) (int, error) {
	i := slices.IndexFunc(all, func(s suite) bool {
		return slices.Equal(slices.Sorted(slices.Values(labels)), slices.Sorted(slices.Values(s.split())))
	})
	if i < 0 {
		return 0, fmt.Errorf("upstream has a suite %s that is not in the table of suites.go", strings.Join(labels, "+"))
	}
	return i, nil
}

func (s suite) split() []string { return strings.Split(s.labels, "+") }

// filter is Ginkgo's label filter for exactly the chosen suites out of all.
func filter(chosen, all []suite) string {
	terms := make([]string, 0, len(chosen))
	for _, s := range chosen {
		term := s.split()
		for _, other := range all {
			if extra := other.beyond(s); extra != "" {
				term = append(term, "!"+extra)
			}
		}
		slices.Sort(term)
		terms = append(terms, "("+strings.Join(slices.Compact(term), " && ")+")")
	}
	return strings.Join(terms, " || ")
}

// beyond is a label that the suite has and the other one has not, where the suite has all of the other one's; or "".
func (s suite) beyond(other suite) string {
	own, others := s.split(), other.split()
	if len(own) <= len(others) || slices.ContainsFunc(others, func(label string) bool { return !slices.Contains(own, label) }) {
		return ""
	}
	return own[slices.IndexFunc(own, func(label string) bool { return !slices.Contains(others, label) })]
}

// choose returns the suites that a word chooses: fast, all, or labels joined by +, of which several are separated by
// commas.
func choose(all []suite, words string) ([]suite, error) {
	switch words {
	case "fast":
		return where(all, func(s suite) bool { return s.fast }), nil
	case "all":
		return where(all, func(s suite) bool { return s.absent == "" }), nil
	}
	var chosen []suite
	for word := range strings.SplitSeq(words, ",") {
		i := slices.IndexFunc(all, func(s suite) bool { return s.labels == word })
		if i < 0 {
			return nil, fmt.Errorf("there is no suite %s", word)
		}
		if all[i].absent != "" {
			return nil, fmt.Errorf("suite %s cannot run here: %s", word, all[i].absent)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func where(all []suite, keep func(suite) bool) []suite {
	var kept []suite
	for _, s := range all {
		if keep(s) {
			kept = append(kept, s)
		}
	}
	return kept
}
