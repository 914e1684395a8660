// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	simhbr "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/document"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// consequence is what Velero makes of a volume that goes wrong, by how it is told.
type consequence string

// The consequences, in the words of the reference.
const (
	// loggedError is an error in the log of a backup, in which the volume's objects are:
	// the backup is PartiallyFailed.
	loggedError consequence = "backup: log"
	// failedSnapshot is an operation of a backup that fails: the backup is PartiallyFailed.
	failedSnapshot consequence = "backup: operation"
	// refusedVolume is an error in the log of a restore in place of a PersistentVolume: the
	// restore is PartiallyFailed.
	refusedVolume consequence = "restore: log"
	// failedVolume is an operation of a restore that fails, and the PersistentVolume goes:
	// the restore is PartiallyFailed.
	failedVolume consequence = "restore: operation"
	// mended is none: the backup and the restore are Completed.
	mended consequence = "none"
)

// faqRow is a sentence of the backup center's FAQ and how it comes about.
type faqRow struct {
	name string
	// sentence is as testdata has it.
	sentence string
	config   map[string]string
	// volume changes the volume before it is there.
	volume func(*corev1.PersistentVolume)
	// before is done before the backup, later before the restore.
	before, later func(*testing.T, *shop)
	want          consequence
	// remedy is a part of what is to be done.
	remedy string
}

func onNodeOnly() map[string]string { return map[string]string{"method": string(onNode)} }

// faulty adds a fault to the cloud.
func faulty(rule fault.Rule) func(*testing.T, *shop) {
	return func(t *testing.T, s *shop) { t.Helper(); s.fault(t, rule) }
}

// serving installs the client, and lets the application run.
func serving(change func(*appsv1.DaemonSet)) func(*testing.T, *shop) {
	return func(t *testing.T, s *shop) {
		t.Helper()
		s.install(t, change)
		s.serve(t)
	}
}

func deleteVault(t *testing.T, s *shop) {
	t.Helper()
	s.End(t.Context())
	if err := s.sim.HBR().DeleteVault(s.sim.HBR().Vaults()[0].ID); err != nil {
		t.Fatal(err)
	}
}

func faqRows() []faqRow {
	return slices.Concat(faqRowsOfTheService(), faqRowsOfTheClient(), faqRowsOfTheCluster(), faqRowsOfTheVolume())
}

func faqRowsOfTheService() []faqRow {
	return []faqRow{
		{
			name: "the service fails every attempt", sentence: "HBR backup/restore internal error",
			before: faulty(refusal("CreateBackupPlan", http.StatusInternalServerError, "InternalError", "An internal error occurred.")),
			want:   loggedError, remedy: "container backup is available in this region",
		},
		{
			name: "the service is not activated", sentence: "HBRError: check HBR vault error",
			before: faulty(fault.Rule{Service: simhbr.FaultAnswers, Operation: "DescribeVaults", Status: http.StatusForbidden, Code: "ServiceNotActivated", Message: "Not activated."}),
			want:   loggedError, remedy: "activate it in the Cloud Backup console",
		},
		{
			name: "the service has no access to the API gateway", sentence: `Code: MagpieBridgeSlrNotExist\n Message: code: 403, AliyunServiceRoleForHbrMagpieBridge doesn't exist, please create this role.`,
			before: faulty(refusal("CreateVault", http.StatusForbidden, "MagpieBridgeSlrNotExist", "AliyunServiceRoleForHbrMagpieBridge doesn't exist, please create this role.")),
			want:   loggedError, remedy: "China (Heyuan)",
		},
		{
			name: "the vault was deleted after the backup", sentence: "HBRError: ... code: 400, Illegal request. Please modify the parameters",
			later: deleteVault,
			want:  refusedVolume, remedy: "cannot be restored any more",
		},
		{
			name: "the vault is deleted during the backup", sentence: "HBRError: ... code: 400, Illegal request. Please modify the parameters",
			before: faulty(refusal("CreateBackupPlan", http.StatusBadRequest, "BadRequest", "Illegal request. Please modify the parameters")),
			want:   loggedError, remedy: "the next backup makes the vault again",
		},
		{
			name: "the backup is of another region", sentence: "only disk type PVs support cross-region restore in current version",
			later: func(t *testing.T, s *shop) {
				t.Helper()
				s.config["region"] = "cn-beijing"
				s.Snapshotter = s.process(t)
			},
			want: refusedVolume, remedy: "restore it in the region of the backup",
		},
	}
}

func faqRowsOfTheClient() []faqRow {
	return []faqRow{
		{
			name: "the client is not installed", sentence: "addon status is abnormal", config: onNodeOnly(),
			before: func(t *testing.T, s *shop) { t.Helper(); s.serve(t) },
			want:   loggedError, remedy: "apply deploy/hbr-client",
		},
		{
			name: "the client has the token of another cluster by a variable of its own", config: onNodeOnly(),
			sentence: "hbr task finished with unexpected status: FAILED, errMsg ClientNotExist",
			before: serving(func(set *appsv1.DaemonSet) {
				set.Spec.Template.Spec.Containers[0].Env[0] = corev1.EnvVar{Name: "HBR_TOKEN", Value: "of another cluster"}
			}),
			want: failedSnapshot, remedy: "a client that has the token of another cluster runs and is never active",
		},
		{
			name: "the client goes before the restore", config: onNodeOnly(),
			sentence: "hbr task finished with unexpected status: FAILED, errMsg ClientNotExist",
			before:   serving(nil),
			later: func(t *testing.T, s *shop) {
				t.Helper()
				if err := s.sim.HBR().RemoveAgent(s.sim.HBR().Clusters()[0].ID, "node-1"); err != nil {
					t.Fatal(err)
				}
			},
			want: failedVolume, remedy: "kubectl get pod -A -l app=hbr-client -o wide",
		},
		{
			name: "the client's Secret has lost the token", sentence: "couldn't find key HBR_TOKEN", config: onNodeOnly(),
			before: func(t *testing.T, s *shop) {
				t.Helper()
				s.create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: veleroNamespace, Name: "hbr-client"}})
				serving(nil)(t, s)
				s.waitsForToken(t)
			},
			want: mended,
		},
		{
			name: "the client looks in another directory than the kubelet's", config: map[string]string{"method": string(onNode), "kubeletRootDir": "/data/kubelet"},
			sentence: "hbr task finished with unexpected status: FAILED, errMsg SOURCE_NOT_EXIST",
			before:   serving(nil),
			want:     failedSnapshot, remedy: "set it as the config key kubeletRootDir",
		},
	}
}

func faqRowsOfTheCluster() []faqRow {
	return []faqRow{
		{
			name: "the image of the Pod that mounts the volume is not there", sentence: "create cluster resources timeout", config: onNodeOnly(),
			before: func(t *testing.T, s *shop) {
				t.Helper()
				s.install(t, nil)
				s.nodes.SetFaults(node.Faults{Pull: noImage})
			},
			want: failedSnapshot, remedy: "the events of the pod and the claim tell why",
		},
		{
			name: "the same in a restore", sentence: "create cluster resources timeout", config: onNodeOnly(),
			before: serving(nil),
			later:  func(t *testing.T, s *shop) { t.Helper(); s.nodes.SetFaults(node.Faults{Pull: noImage}) },
			want:   failedVolume, remedy: "the events of the pod and the claim tell why",
		},
		{
			name:     "the class of the restored volume provisions nothing",
			sentence: "wait for created tmp pvc default/demo-pvc-for-convert202311151045 for convertion bound time out", //nolint:misspell // So the backup center writes it.
			volume:   func(pv *corev1.PersistentVolume) { pv.Spec.StorageClassName = "nas" },
			before: func(t *testing.T, s *shop) {
				t.Helper()
				s.nodes.SetFaults(node.Faults{Provision: func(*corev1.PersistentVolumeClaim) error { return errors.New("the CNFS is not ready") }})
			},
			want: failedVolume, remedy: "the CNFS is not ready",
		},
	}
}

func noImage(image string) error {
	if image == "hbr-client" {
		return nil
	}
	return errors.New("no such image")
}

func faqRowsOfTheVolume() []faqRow {
	return []faqRow{
		{
			name: "the volume is a block device", sentence: "HBR backup request failed",
			volume: func(pv *corev1.PersistentVolume) { pv.Spec.VolumeMode = new(corev1.PersistentVolumeBlock) },
			want:   loggedError, remedy: "leave disks to ECS snapshots",
		},
		{
			name: "a file is deleted meanwhile", sentence: "PROCESS hbr partially completed",
			before: faulty(fault.Rule{Service: simhbr.FaultJobs, Operation: simhbr.FaultBackup, Status: http.StatusInternalServerError, Code: "PARTIAL_COMPLETE"}),
			want:   failedSnapshot, remedy: "what was backed up can be restored",
		},
	}
}

// waitsForToken holds that the client waits for its token, in the FAQ's words.
func (s *shop) waitsForToken(t *testing.T) {
	t.Helper()
	s.relabel(t, "node-1", "csdr.alibabacloud.com/agent-enable", "true")
	s.settle(t)
	pods := &corev1.PodList{}
	if err := s.api.List(t.Context(), pods, client.MatchingLabels{"app": "hbr-client"}); err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 1 || !strings.Contains(pods.Items[0].Status.ContainerStatuses[0].State.Waiting.Message, "couldn't find key HBR_TOKEN") {
		t.Fatalf("the client's Pods are %+v, want one that waits for its token", pods.Items)
	}
}

// TestEverySentenceOfTheFAQ runs a backup and a restore for each sentence of the
// backup center's FAQ, as Velero does, with another process for each poll, and holds what
// becomes of them, what is said, and that nothing is left.
func TestEverySentenceOfTheFAQ(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, row := range faqRows() {
		shown[row.sentence] = true
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := &run{shop: newShop(t, row.config)}
			got, said := r.do(t, row)
			if got != row.want {
				t.Errorf("consequence %q, want %q: %s", got, row.want, said)
			}
			for _, part := range partsOf(row.sentence) {
				if got != mended && !strings.Contains(said, part) {
					t.Errorf("said %q, want %q", said, part)
				}
			}
			if !strings.Contains(said, row.remedy) {
				t.Errorf("said %q, want the remedy %q", said, row.remedy)
			}
			r.checkLeftovers(t)
		})
	}
	for _, sentence := range faqSentences(t, "hbr") {
		if !shown[sentence] {
			t.Errorf("no row shows %q", sentence)
		}
		delete(shown, sentence)
	}
	if len(shown) > 0 {
		t.Errorf("rows of sentences that the FAQ does not have: %q", slices.Collect(maps.Keys(shown)))
	}
}

// TestReferenceTellsConsequences holds that the reference tells of each sentence of the FAQ
// where it shows.
func TestReferenceTellsConsequences(t *testing.T) {
	t.Parallel()
	text := document.Section(t, reference, "Messages")
	for _, row := range faqRows() {
		told := false
		for line := range strings.Lines(text) {
			message, rest, _ := strings.Cut(line, " | ")
			where, _, _ := strings.Cut(rest, " | ")
			told = told || isAbout(message, row.sentence) && strings.Contains(where, string(row.want))
		}
		if !told {
			t.Errorf("nothing tells of %q that it shows in %q", row.sentence, row.want)
		}
	}
}

// isAbout tells whether a message of the reference is the one of a sentence.
func isAbout(message, sentence string) bool {
	return slices.ContainsFunc(partsOf(sentence), func(part string) bool {
		part = strings.TrimPrefix(part, "code: 400, ")
		return part != "HBRError:" && strings.Contains(message, part)
	})
}

// partsOf returns what of a sentence of the FAQ is the same each time it is said: the name
// of a claim is not, nor how an SDK writes the code before the message.
func partsOf(sentence string) []string {
	sentence = strings.Replace(sentence, "default/demo-pvc-for-convert202311151045", " ... ", 1)
	sentence = strings.Replace(strings.TrimPrefix(sentence, "Code: "), `\n Message: `, " ... ", 1)
	var found []string
	for part := range strings.SplitSeq(sentence, " ... ") {
		found = append(found, strings.TrimSpace(part))
	}
	return found
}

// run is the backup b-1 of a shop and its restore r-1.
type run struct {
	*shop

	snapshot string
}

// do backs the volume of the shop up, and restores it if that succeeds. It returns what
// has become of it, and all that was said of it.
func (r *run) do(t *testing.T, row faqRow) (consequence, string) {
	t.Helper()
	if row.volume != nil {
		row.volume(r.pv)
	}
	r.open(t)
	if row.before != nil {
		row.before(t, r.shop)
	}
	if got, said := r.backUp(t); got != mended {
		return got, said
	}
	if row.later != nil {
		row.later(t, r.shop)
	}
	return r.restore(t)
}

// backUp backs the volume up.
func (r *run) backUp(t *testing.T) (consequence, string) {
	t.Helper()
	r.snapshot = r.world.backUp(t, r.process(t), r.pv)
	r.settle(t)
	logged := r.said(logrus.ErrorLevel)
	backup := backupNamed("b-1", velerov1.BackupPhaseWaitingForPluginOperations)
	failed := r.outcome(t, func() (velero.OperationProgress, error) {
		r.age(t)
		return r.process(t).SnapshotProgress(t.Context(), backup, r.config, r.pv.Name, "")
	})
	// Velero cancels what has not ended in time: nothing is left to end.
	if err := r.process(t).CancelSnapshot(t.Context(), backup, r.config, r.pv.Name, ""); err != nil {
		t.Errorf("canceling what has ended: %v", err)
	}
	switch {
	case logged != "" && failed == "":
		t.Errorf("logged %q, and the operation does not fail", logged)
		return loggedError, logged
	case logged != "":
		return loggedError, logged
	case failed != "":
		return failedSnapshot, failed
	default:
		return mended, ""
	}
}

// restore restores the volume.
func (r *run) restore(t *testing.T) (consequence, string) {
	t.Helper()
	id, err := r.process(t).CreateVolumeFromSnapshot(r.snapshot, "", "", nil)
	if err != nil {
		return refusedVolume, err.Error()
	}
	held := hold(t, r.process(t), r.pv, id)
	failed := r.outcome(t, func() (velero.OperationProgress, error) {
		r.age(t)
		return r.process(t).Progress(t.Context(), theRestore(), r.config, id, held)
	})
	if failed != "" {
		if err := r.process(t).Discard(t.Context(), theRestore(), r.config, id); err != nil {
			t.Errorf("discarding the volume: %v", err)
		}
		return failedVolume, failed
	}
	if _, err := r.process(t).Finish(t.Context(), theRestore(), r.config, id, held); err != nil {
		t.Error(err)
	}
	if err := r.process(t).Settle(t.Context(), theRestore(), r.config, id); err != nil {
		t.Error(err)
	}
	return mended, ""
}

// age makes what was made in the cluster for the run older than it may become: its time
// is the real one.
func (r *run) age(t *testing.T) {
	t.Helper()
	const since = "alibabacloud.com/hbr-since"
	var pods corev1.PodList
	var claims corev1.PersistentVolumeClaimList
	for _, list := range []client.ObjectList{&pods, &claims} {
		if err := r.api.List(t.Context(), list, client.HasLabels{"alibabacloud.com/hbr-run"}); err != nil {
			t.Fatal(err)
		}
	}
	long := []byte(fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, since, time.Now().Add(-mountTimeout-time.Minute).UTC().Format(time.RFC3339)))
	for i := range pods.Items {
		r.patched(t, &pods.Items[i], long)
	}
	for i := range claims.Items {
		r.patched(t, &claims.Items[i], long)
	}
}

func (r *run) patched(t *testing.T, object client.Object, patch []byte) {
	t.Helper()
	if err := r.api.Patch(t.Context(), object, client.RawPatch(types.MergePatchType, patch)); err != nil {
		t.Fatal(err)
	}
}

// checkLeftovers holds that nothing of the run is left: at once in the cloud and the
// cluster, where a failed volume's note waits for the next backup, and after the deletion
// of the backup in the vault.
func (r *run) checkLeftovers(t *testing.T) {
	t.Helper()
	r.End(t.Context())
	r.settle(t)
	r.wantNoTemporary(t)
	r.wantNothingRunning(t)
	r.repair(t)
	r.nextBackup(t)
	r.wantNoNotes(t)
	if err := r.process(t).DeleteSnapshot(r.snapshot); err != nil {
		t.Errorf("deleting the backup: %v", err)
	}
	r.wantInventory(t, 0, 1, 0) // The next backup's.
}

// wantNothingRunning holds that there are no plans and running jobs.
func (r *run) wantNothingRunning(t *testing.T) {
	t.Helper()
	got, err := r.sim.HBR().Inventory(theAccount)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Plans) > 0 || len(got.Running) > 0 {
		t.Errorf("plans %q and running jobs %q are left", got.Plans, got.Running)
	}
}

// repair ends the run, and what was wrong.
func (r *run) repair(t *testing.T) {
	t.Helper()
	r.sim.Faults().Clear()
	r.nodes.SetFaults(node.Faults{})
	r.end(t)
	r.config["region"], r.config["method"] = home, string(agentless)
	r.logged.Reset()
}

// nextBackup makes the backup b-2 of another volume.
func (r *run) nextBackup(t *testing.T) {
	t.Helper()
	next := backupNamed("b-2", velerov1.BackupPhaseInProgress)
	pv := nasDirectory("nas-2", "/app")
	r.create(t, next, pv)
	s := r.process(t)
	id, err := s.GetVolumeID(item(t, pv))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateSnapshot(id, "", map[string]string{tagBackup: next.Name, tagVolume: pv.Name}); err != nil {
		t.Fatal(err)
	}
	s.End(t.Context())
	next.Status.Phase = velerov1.BackupPhaseWaitingForPluginOperations
	if failed := r.outcome(t, func() (velero.OperationProgress, error) {
		return r.process(t).SnapshotProgress(t.Context(), next, r.config, pv.Name, "")
	}); failed != "" {
		t.Errorf("the next backup fails: %s", failed)
	}
}
