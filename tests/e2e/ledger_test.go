//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger/chain"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger/writer"
)

// history is how many records a ledger has before it is backed up, at 20 in a second.
const history = 40

// application is a ledger of one Pod in a namespace of a cluster.
type application struct {
	*site
	namespace string
}

// pod is the name of the Pod of every ledger.
const pod = ledger.Name + "-0"

// onDisk and onNAS are volumes of ledgers, named for what they are on.
func onDisk(class string) ledger.Volume {
	return ledger.Volume{Name: "disk", StorageClass: class, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}}
}

func onNAS() ledger.Volume {
	return ledger.Volume{Name: "nas", StorageClass: nasClass, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}}
}

// newNASClass is the class nasClass.
func (s *site) newNASClass() *storagev1.StorageClass {
	return &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: nasClass}, Provisioner: "nasplugin.csi.alibabacloud.com",
		Parameters:    map[string]string{"volumeAs": "subpath", "server": mountTarget(s.fileSystem, s.region) + ":/"},
		MountOptions:  []string{"nolock,tcp,noresvport", "vers=3"},
		ReclaimPolicy: new(corev1.PersistentVolumeReclaimDelete), VolumeBindingMode: new(storagev1.VolumeBindingImmediate),
	}
}

// startLedger creates a ledger and waits until it has a history.
func (s *site) startLedger(t *testing.T, options ledger.Options) *application {
	t.Helper()
	options.Image = ledgerImage
	s.discardAtEnd(t, options.Namespace)
	s.create(t, ledger.Objects(options)...)
	a := &application{site: s, namespace: options.Namespace}
	s.awaitPod(t, a.namespace, pod)
	a.awaitRecords(t, history)
	return a
}

// discardAtEnd deletes a namespace at the end of the test, which does not wait for that: others are to have the machine.
func (s *site) discardAtEnd(t *testing.T, namespace string) {
	t.Helper()
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := s.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); client.IgnoreNotFound(err) != nil {
			t.Errorf("the namespace %s stays: %v", namespace, err)
		}
	})
}

// claim is that of a volume of the Pod.
func claim(volume string) string { return volume + "-" + pod }

// awaitRecords waits until there is a record in each volume that is so many after those that the Pod found.
func (a *application) awaitRecords(t *testing.T, written uint64) {
	t.Helper()
	a.eventually(t, podTimeout, fmt.Sprintf("%d records of %s", written, a.namespace), func(ctx context.Context) error {
		status, err := a.ask(ctx)
		if err != nil {
			return err
		}
		for name, at := range status.Directories {
			if at.Last < at.Found+written {
				return fmt.Errorf("%s has %d records, of which it found %d", name, at.Last, at.Found)
			}
		}
		return nil
	})
}

// ask asks the Pod itself what is safely written.
func (a *application) ask(ctx context.Context) (writer.Status, error) {
	found := &corev1.Pod{}
	if err := a.Client.Get(ctx, client.ObjectKey{Namespace: a.namespace, Name: pod}, found); err != nil {
		return writer.Status{}, err
	}
	return clientAt(found.Status.PodIP).Status(ctx)
}

// clientAt asks a ledger at an address, which answers in seconds, also when it verifies all that it has. Who asks again and
// again is to find out soon that nobody answers.
func clientAt(address string) *ledger.Client {
	return &ledger.Client{HTTP: &http.Client{Timeout: 10 * time.Second}, URL: fmt.Sprintf("http://%s:%d", address, ledger.Port)}
}

// cut is what a backup must have of a volume.
type cut struct {
	// at is when the cloud accepted the request for the snapshot or began the job that reads the files.
	at time.Time
	// records are those that were safely written by then.
	records []chain.Entry
}

// cuts are those of the volumes of an application whose backup has ended. It must still write, and more than what a
// backup has.
func (a *application) cuts(t *testing.T, backup string, volumes ...ledger.Volume) map[string]cut {
	t.Helper()
	snapshots := a.snapshotsOf(t, backup)
	cuts := map[string]cut{}
	for _, v := range volumes {
		pv := a.volumeOf(t, a.namespace, claim(v.Name))
		id, ok := snapshots[pv.Name]
		if !ok {
			t.Fatalf("the backup %s has no snapshot of %s:\n%s", backup, pv.Name, a.describe(t.Context(), "backup", backup))
		}
		at := a.cloud.cutOf(t, id)
		all := a.recordsOf(t, pv)
		n := acknowledged(all, at)
		if n < history || n == len(all) {
			t.Fatalf("%d of the %d records of %s were written before the snapshot %s, want some of them, and at least %d", n, len(all), v.Name, id, history)
		}
		cuts[v.Name] = cut{at: at, records: all[:n]}
		t.Logf("%s: cut at %s after %d of %d records", v.Name, at.Format(time.RFC3339Nano), n, len(all))
	}
	return cuts
}

// acknowledged is how many records were safely written at a time: a record is begun when the one before is on disk.
func acknowledged(all []chain.Entry, at time.Time) int {
	n := 0
	for n+1 < len(all) && !all[n+1].Time.After(at) {
		n++
	}
	return n
}

// snapshotsOf are the ids of a backup's snapshots by PersistentVolume, as a user sees them.
func (s *site) snapshotsOf(t *testing.T, backup string) map[string]string {
	t.Helper()
	ids := map[string]string{}
	before := ""
	for line := range strings.Lines(s.velero(t, "backup", "describe", backup, "--details")) {
		line = strings.TrimSpace(line)
		if id, ok := strings.CutPrefix(line, "Snapshot ID:"); ok {
			ids[before] = strings.TrimSpace(id)
		}
		before = strings.TrimSuffix(line, ":")
	}
	return ids
}

// cutOf is when ECS accepted the request for a snapshot, or Cloud Backup the one for a job.
func (c *simulated) cutOf(t *testing.T, snapshotID string) time.Time {
	t.Helper()
	for _, s := range c.ECS().Snapshots() {
		if snapshotID == s.Region+"/"+s.ID {
			return s.Created
		}
	}
	files, err := c.HBR().Snapshots() // An agentless job goes with its plan.
	must(t, err)
	for _, s := range files {
		if strings.Contains(snapshotID, "/"+s.Job+"?") {
			return s.Begun
		}
	}
	t.Fatalf("the cloud has no snapshot %s", snapshotID)
	return time.Time{}
}

// recordsOf reads the records of a volume where the simulated cloud has it, whatever the application says of them.
func (s *site) recordsOf(t *testing.T, pv *corev1.PersistentVolume) []chain.Entry {
	t.Helper()
	dir, err := s.storageOf(pv)
	must(t, err)
	records, err := chain.Read(filepath.Join(dir, writer.ChainDir))
	must(t, err)
	return records
}

// awaitDestroyed waits until the storage of a volume is gone, and not only the object.
func (s *site) awaitDestroyed(t *testing.T, pv *corev1.PersistentVolume) {
	t.Helper()
	s.eventually(t, podTimeout, "the end of the storage of "+pv.Name, func(context.Context) error {
		dir, err := s.storageOf(pv)
		switch {
		case errors.Is(err, ecs.ErrNotFound), errors.Is(err, os.ErrNotExist):
			return nil
		case err != nil:
			return err
		default:
			return fmt.Errorf("%s is there", dir)
		}
	})
}

// awaitRestored waits until a restored ledger writes, and holds that nothing is lost that was written before the cut, and
// nothing torn: by what the application says, and by its records, which must be the very same.
func (a *application) awaitRestored(t *testing.T, before map[string]cut) {
	t.Helper()
	ready := a.awaitPod(t, a.namespace, pod)
	a.awaitRecords(t, 1)
	status, err := a.ask(t.Context())
	must(t, err)
	for name, want := range before {
		n := uint64(len(want.records))
		at := status.Directories[ledger.Path(name)]
		if at.Found < n || at.Torn > 0 || at.Chain != want.records[0].Chain {
			t.Errorf("%s/%s began with %+v, want at least %d records of the chain %d", a.namespace, name, at, n, want.records[0].Chain)
		}
		a.verify(t, ready.Status.PodIP, name, n)
		got := a.recordsOf(t, a.volumeOf(t, a.namespace, claim(name)))
		if diff := cmp.Diff(want.records, got[:min(len(want.records), len(got))]); diff != "" {
			t.Errorf("the records of %s/%s before the cut (-want +got):\n%s", a.namespace, name, diff)
		}
		t.Logf("%s/%s: found %d records, %d of them were to be there", a.namespace, name, at.Found, n)
	}
}

// verify lets the application verify a volume.
func (a *application) verify(t *testing.T, address, volume string, atLeast uint64) {
	t.Helper()
	reports, err := clientAt(address).Verify(t.Context(), atLeast)
	must(t, err)
	for _, r := range reports {
		if r.Directory != ledger.Path(volume) {
			continue
		}
		if !r.OK || r.Lost+r.Torn+r.Foreign > 0 || r.First != 1 || r.Tree.Files == 0 {
			t.Errorf("the application says of %s/%s: %+v", a.namespace, volume, r)
		}
		return
	}
	t.Errorf("the application says nothing of %s/%s: %+v", a.namespace, volume, reports)
}
