// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
)

const (
	// roundsOfBackups is how often backups are measured with each of the plugins.
	roundsOfBackups = 11
	// backupsOfARound is how many are made in a round with one plugin, of which the faster one counts: to load the other
	// plugin takes as long as a backup.
	backupsOfARound = 2
)

// auditOfBackups logs what is read, but for the Backups that are waited for.
const auditOfBackups = `
- level: None
  resources: [{group: velero.io, resources: [backups]}]
- level: Metadata
  verbs: [get, list]
- level: None
`

// BenchmarkBackup backs up 2,000 mixed objects with the bundle loaded, with its object store alone, and with that and
// actions that do nothing. Nothing is snapshotted, which only the bundle could.
func BenchmarkBackup(b *testing.B) {
	for b.Loop() {
		c := startCluster(b, auditOfBackups)
		c.createMixture(b)

		backups := comparison{of: fmt.Sprintf("backup of %d objects", numberOfBackedUpObjects), allowed: 1.05, took: times{}, processor: times{}}
		items := make(map[string]map[int]bool)
		for round := range roundsOfBackups {
			for _, plugin := range inTurn(round) {
				had := c.inRound(b, plugin, round)
				backups.took[plugin] = append(backups.took[plugin], had.fastest)
				backups.processor[plugin] = append(backups.processor[plugin], had.processor)
				if items[plugin] == nil {
					items[plugin] = make(map[int]bool)
				}
				maps.Copy(items[plugin], had.items)
			}
		}
		wantSystemLeftOut(b, items)
		c.wantNoted(b, backupOf(bundle, roundsOfBackups-1, backupsOfARound-1))
		c.wantCalls(b, roundsOfBackups*backupsOfARound)
		backups.report(b)
	}
}

// backupOf is the name of a backup.
func backupOf(plugin string, round, i int) string { return fmt.Sprintf("%s-%d-%d", plugin, round, i) }

// roundOf is what the backups of a round with one plugin have had.
type roundOf struct {
	// fastest is how long the fastest took, processor how long each had a processor.
	fastest, processor time.Duration
	// items are the numbers of objects in the backups.
	items map[int]bool
}

// inRound makes the backups of a round with one plugin.
func (c *cluster) inRound(b *testing.B, plugin string, round int) roundOf {
	b.Helper()
	c.load(b, plugin)
	had := roundOf{fastest: timeout, items: make(map[int]bool)}
	before := c.processorTime(b)
	for i := range backupsOfARound {
		took, items := c.timedBackup(b, backupOf(plugin, round, i))
		b.Logf("Round %d: %s backs up %d objects in %s", round, plugin, items, took.Round(time.Millisecond))
		had.fastest, had.items[items] = min(had.fastest, took), true
	}
	had.processor = (c.processorTime(b) - before) / backupsOfARound
	b.Logf("Round %d: %s has a processor for %s in each", round, plugin, had.processor)
	return had
}

// wantSystemLeftOut fails unless all backups with a plugin have the same number of objects, and those with actions
// lack what is in system namespaces: these are left out where nothing says otherwise.
func wantSystemLeftOut(b *testing.B, items map[string]map[int]bool) {
	b.Helper()
	number := make(map[string]int)
	for plugin, numbers := range items {
		if len(numbers) != 1 {
			b.Errorf("the backups with the %s have not all the same number of objects: %v", plugin, numbers)
		}
		for one := range numbers {
			number[plugin] = one
		}
	}
	for _, plugin := range []string{bundle, asked} {
		if number[plugin] > number[storeOnly]-systemConfigMaps-systemSecrets {
			b.Errorf("the %s leaves no system namespaces out: %v", plugin, number)
		}
	}
}

// inTurn returns the plugins in the order of a round: A B C, C B A, and so on, so that what grows or passes on a machine
// meets all alike.
func inTurn(round int) []string {
	plugins := []string{storeOnly, asked, bundle}
	if round%2 == 1 {
		slices.Reverse(plugins)
	}
	return plugins
}

// timedBackup backs up all namespaces but Velero's, whose objects grow with each backup. It returns how long that took and
// how many objects are in the backup.
func (c *cluster) timedBackup(b *testing.B, name string) (took time.Duration, items int) {
	b.Helper()
	backup := &velerov1.Backup{
		ObjectMeta: inVelero(name),
		Spec: velerov1.BackupSpec{
			ExcludedNamespaces:      []string{controlplane.VeleroNamespace},
			IncludedResources:       kindsOfBackup(),
			IncludeClusterResources: new(true),
			SnapshotVolumes:         new(false),
		},
	}
	took = c.run(b, backup, func() bool { return backup.Status.CompletionTimestamp != nil })
	status := backup.Status
	if status.Phase != velerov1.BackupPhaseCompleted || status.Errors > 0 || status.Warnings > 0 {
		logs, _ := c.velero.CLI(b.Context(), "backup", "logs", name)
		b.Fatalf("the backup %s is %s with %d errors and %d warnings\n%s", name, status.Phase, status.Errors, status.Warnings, logs)
	}
	return took, status.Progress.ItemsBackedUp
}

// wantNoted fails unless the actions have done in the backup what they are there for.
func (c *cluster) wantNoted(b *testing.B, backup string) {
	b.Helper()
	const (
		note = "alibabacloud.com/backed-up-with"
		zone = "alibabacloud.com/zone-of-backup"
	)
	noted := make(map[string]int)
	c.eachObject(b, backup, func(object *metav1.PartialObjectMetadata) {
		for _, key := range []string{note, zone} {
			if object.Annotations[key] != "" {
				noted[object.Kind+" "+key]++
			}
		}
	})
	want := map[string]int{
		"Ingress " + note:               backedUpIngresses,
		"PersistentVolume " + note:      buckets,
		"PersistentVolumeClaim " + note: buckets,
		"PersistentVolume " + zone:      disks,
	}
	if diff := cmp.Diff(want, noted); diff != "" {
		b.Errorf("the annotations of objects in the backup %s (-want +got):\n%s", backup, diff)
	}
}

// eachObject calls visit with each object in a backup. Velero stores one of a preferred version twice.
func (c *cluster) eachObject(b *testing.B, backup string, visit func(*metav1.PartialObjectMetadata)) {
	b.Helper()
	content, err := c.cloud.OSS().Read(bucket, path.Join("backups", backup, backup+".tar.gz"))
	must(b, err)
	uncompressed, err := gzip.NewReader(bytes.NewReader(content))
	must(b, err)
	for archive := tar.NewReader(uncompressed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		must(b, err)
		if !strings.HasPrefix(header.Name, "resources/") || !strings.HasSuffix(header.Name, ".json") || strings.Contains(header.Name, "preferredversion/") {
			continue
		}
		object := &metav1.PartialObjectMetadata{}
		must(b, json.NewDecoder(archive).Decode(object))
		visit(object)
	}
}

// wantCalls fails unless the plugin has read in each of so many backups what it needs to know once, by the API server's
// audit log.
func (c *cluster) wantCalls(b *testing.B, backups int) {
	b.Helper()
	content, err := os.ReadFile(c.audit)
	must(b, err)
	calls := make(map[string]int)
	for line := range strings.Lines(string(content)) {
		request := struct {
			UserAgent, Verb string
			ObjectRef       struct{ Resource string }
		}{}
		must(b, json.Unmarshal([]byte(line), &request))
		if strings.HasPrefix(request.UserAgent, bundle) {
			calls[request.Verb+" "+request.ObjectRef.Resource]++
		}
	}
	want := map[string]int{
		"get albconfigs":     backups,
		"get ingressclasses": 2 * backups,
		"get secrets":        buckets * backups,
		// Of two providers: a Backup names its locations, and not what they are of.
		"get volumesnapshotlocations": 3 * backups,
		"list configmaps":             backups,
		"list persistentvolumes":      backups,
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		b.Errorf("what the plugin has read in %d backups (-want +got):\n%s", backups, diff)
	}
}
