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
	// volumes has a CSI driver, whose disks the plugin snapshots.
	volumes installation = "volumes"
	// files has a CSI driver too, and Velero's node agent, which backs files up.
	files installation = "files"
)

func installations() []installation { return []installation{plain, volumes, files} }

// suite is those specs of upstream that have exactly its labels.
type suite struct {
	// labels are joined by +, as upstream's README names suites.
	labels string
	// runs is the installation that it runs with.
	runs installation
	// fast says that it runs also where a test may take two minutes.
	fast bool
	// absent is why it cannot run here.
	absent string
}

// Why suites cannot run.
const (
	needsKibishii = "its workload is Kibishii, whose image is in a registry and whose source is not in the Go module proxy"
	needsSidecars = "needs CSI snapshots, and the controllers of kubernetes-csi for them are not in the Go module proxy"
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

		{labels: "ResourceFiltering+ResourcePolicies+Restic", runs: files},
		{labels: "BackupVolumeInfo+FilesystemUpload", runs: files},
		{labels: "PVBackup+OptIn+FSB", runs: files},
		{labels: "PVBackup+OptOut+FSB", runs: files},
		{labels: "UploaderConfig+ParallelFilesUpload", runs: files},
		{labels: "UploaderConfig+ParallelFilesDownload", runs: files},
		{labels: "RepoMaintenance+LongTime", runs: files},

		{labels: "BackupVolumeInfo+CSISnapshot", absent: needsSidecars},
		{labels: "BackupVolumeInfo+CSIDataMover", absent: needsSidecars},
		{labels: "NodeAgentConfig+LoadAffinity", absent: needsSidecars},

		{labels: "Basic+Snapshot+SkipVanillaZfs+AdditionalBSL", absent: needsKibishii},
		{labels: "Basic+Snapshot+RetainPV+AdditionalBSL", absent: needsKibishii},
		{labels: "Basic+Restic+AdditionalBSL", absent: needsKibishii},
		{labels: "Basic+Restic+RetainPV+AdditionalBSL", absent: needsKibishii},
		{labels: "Backups+Deletion+Snapshot+SkipVanillaZfs", absent: needsKibishii},
		{labels: "Backups+Deletion+Restic", absent: needsKibishii},
		{labels: "Backups+TTL+LongTime+Snapshot+SkipVanillaZfs", absent: needsKibishii},
		{labels: "BSL+Deletion+Snapshot+SkipVanillaZfs+AdditionalBSL", absent: needsKibishii},
		{labels: "BSL+Deletion+Restic+AdditionalBSL", absent: needsKibishii},
		{labels: "NamespaceMapping+Single+Snapshot+SkipVanillaZfs", absent: needsKibishii},
		{labels: "NamespaceMapping+Multiple+Snapshot+SkipVanillaZfs", absent: needsKibishii},
		{labels: "NamespaceMapping+Single+Restic", absent: needsKibishii},
		{labels: "NamespaceMapping+Multiple+Restic", absent: needsKibishii},
		{labels: "Migration+Snapshot+SkipVanillaZfs", absent: needsKibishii},
		{labels: "Migration+FSB", absent: needsKibishii},
		{labels: "Upgrade+Snapshot+SkipVanillaZfs", absent: needsKibishii + "; and the images of older releases of Velero are in a registry"},
		{labels: "Upgrade+Restic", absent: needsKibishii + "; and the images of older releases of Velero are in a registry"},

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
