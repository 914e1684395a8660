// SPDX-License-Identifier: Apache-2.0

package backupitemaction_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	biav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/backupitemaction/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
)

var _ biav1.BackupItemAction = (*backupitemaction.VolumeSecrets)(nil)

// The annotations of an item that is backed up with others, and by which Velero takes
// those whatever its lists say.
const (
	noteKey = "alibabacloud.com/backed-up-with"
	mustKey = "backup.velero.io/must-include-additional-items"
)

// volumeSecrets returns the action in a new process of the plugin.
func (w *world) volumeSecrets() *backupitemaction.VolumeSecrets {
	here := cluster.New(w.api, veleroNamespace)
	return backupitemaction.NewVolumeSecrets(w.log, here, backupitemaction.NewSecretReferences(here))
}

// newSecret returns the Secret of that namespace/name.
func newSecret(key string) *corev1.Secret {
	namespace, name, _ := strings.Cut(key, "/")
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{"akSecret": []byte("private")}}
}

func secretWith(key string, change func(*corev1.Secret)) *corev1.Secret {
	secret := newSecret(key)
	change(secret)
	return secret
}

// bucket returns the PersistentVolume of newVolume as a bucket that is mounted with
// Secrets.
func bucket(publish, stage string) *corev1.PersistentVolume {
	return volumeWith(func(pv *corev1.PersistentVolume) {
		pv.Spec.NFS = nil
		pv.Spec.CSI = &corev1.CSIPersistentVolumeSource{
			Driver: "ossplugin.csi.alibabacloud.com", VolumeHandle: "h", NodePublishSecretRef: secretReference(publish), NodeStageSecretRef: secretReference(stage),
		}
	})
}

func secretReference(key string) *corev1.SecretReference {
	if key == "" {
		return nil
	}
	namespace, name, _ := strings.Cut(key, "/")
	return &corev1.SecretReference{Namespace: namespace, Name: name}
}

// itemOf returns an object as Velero hands it to an action.
func itemOf(t *testing.T, object client.Object) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: content}
}

// backedUpWith is what an action returns for an item.
type backedUpWith struct {
	// Annotations are those of the item.
	Annotations map[string]string
	// With has the additional items, such as secrets/shop/oss.
	With []string
}

// backUp runs an action on an item twice, and fails unless it leaves its input alone,
// returns the very item that came or a copy that differs by annotations alone, and does
// the same for what it has returned.
func backUp(t *testing.T, action biav1.BackupItemAction, item *unstructured.Unstructured, backup *velerov1.Backup) backedUpWith {
	t.Helper()
	once, updated := backUpOnce(t, action, item, backup)
	twice, again := backUpOnce(t, action, updated, backup)
	if again != updated {
		t.Error("what was returned was changed once more")
	}
	if diff := cmp.Diff(once, twice); diff != "" {
		t.Errorf("the second time it differs (-once +twice):\n%s", diff)
	}
	return once
}

func backUpOnce(t *testing.T, action biav1.BackupItemAction, item *unstructured.Unstructured, backup *velerov1.Backup) (backedUpWith, *unstructured.Unstructured) {
	t.Helper()
	before := item.DeepCopy()
	returned, with, err := action.Execute(item, backup)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, item); diff != "" {
		t.Errorf("the input was changed (-before +after):\n%s", diff)
	}
	updated, ok := returned.(*unstructured.Unstructured)
	if !ok {
		t.Fatalf("the item is a %T", returned)
	}
	if updated != item && cmp.Equal(updated, item) {
		t.Error("another item that says the same was returned")
	}
	got := backedUpWith{Annotations: updated.GetAnnotations()}
	for _, id := range with {
		got.With = append(got.With, strings.ReplaceAll(id.String()+"/"+id.Namespace+"/"+id.Name, "//", "/"))
	}
	rest := updated.DeepCopy()
	rest.SetAnnotations(before.GetAnnotations())
	if diff := cmp.Diff(before, rest); diff != "" {
		t.Errorf("more than annotations was changed (-before +after):\n%s", diff)
	}
	return got, updated
}

func wantBackedUpWith(t *testing.T, want, got backedUpWith) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the item and what comes with it (-want +got):\n%s", diff)
	}
}

func (w *world) wantLevel(t *testing.T, level logrus.Level, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, w.lines(level), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("logged at the level %s (-want +got):\n%s", level, diff)
	}
}

func TestSecretsOfAVolume(t *testing.T) {
	t.Parallel()
	noted := func(keys ...string) map[string]string {
		return map[string]string{noteKey: strings.Join(keys, ",")}
	}
	must := func(keys ...string) map[string]string {
		annotations := noted(keys...)
		annotations[mustKey] = "true"
		return annotations
	}
	const excludedNamespace = "secrets/infra/stage is not backed up, for the Backup excludes its namespace: " +
		"restored into a cluster without it, a volume which needs it cannot be mounted; do not exclude the namespace, or create the Secret there before a restore"
	both := []string{"secrets/infra/stage", "secrets/shop/oss"}
	tests := []struct {
		name    string
		pv      *corev1.PersistentVolume
		spec    velerov1.BackupSpec
		secrets []client.Object
		want    backedUpWith
		// wantInfo and wantWarn are the lines beside that of what is taken.
		wantInfo, wantWarn []string
		// wantReads is how many Secrets are read.
		wantReads int
	}{
		{
			name: "a backup of all has them come along, and notes them", pv: bucket("shop/oss", "infra/stage"),
			want: backedUpWith{noted(both...), both}, wantReads: 2,
		},
		{
			name: "that of one namespace must have the one of another", pv: bucket("shop/oss", "infra/stage"),
			spec: velerov1.BackupSpec{IncludedNamespaces: []string{"shop"}},
			want: backedUpWith{must(both...), both}, wantReads: 2,
		},
		{
			name: "one that excludes its namespace does not have it", pv: bucket("shop/oss", "infra/stage"),
			spec: velerov1.BackupSpec{ExcludedNamespaces: []string{"inf*"}},
			want: backedUpWith{noted("secrets/shop/oss"), []string{"secrets/shop/oss"}}, wantReads: 1, wantWarn: []string{excludedNamespace},
		},
		{
			name: "one that excludes that of the application too misses nothing", pv: bucket("infra/stage", ""),
			spec: velerov1.BackupSpec{ExcludedNamespaces: []string{"infra", "shop"}},
		},
		{
			name: "nor does one that excludes Secrets too", pv: bucket("infra/stage", ""),
			spec: velerov1.BackupSpec{ExcludedNamespaces: []string{"infra"}, ExcludedResources: []string{"secrets"}},
		},
		{
			name: "one of namespaces by a pattern that has both does not have to", pv: bucket("shop/oss", "infra/stage"),
			spec: velerov1.BackupSpec{IncludedNamespaces: []string{"*"}},
			want: backedUpWith{noted(both...), both}, wantReads: 2,
		},
		{
			name: "one of PersistentVolumes and claims alone must have them", pv: bucket("shop/oss", ""),
			spec: velerov1.BackupSpec{IncludedResources: []string{"pvc", "pv"}},
			want: backedUpWith{must("secrets/shop/oss"), []string{"secrets/shop/oss"}}, wantReads: 1,
		},
		{
			name: "so must one with a list of resources in namespaces", pv: bucket("shop/oss", ""),
			spec: velerov1.BackupSpec{IncludedNamespaceScopedResources: []string{"persistentvolumeclaims"}},
			want: backedUpWith{must("secrets/shop/oss"), []string{"secrets/shop/oss"}}, wantReads: 1,
		},
		{
			name: "one that excludes Secrets has none, nor are they read", pv: bucket("shop/oss", "infra/stage"),
			spec: velerov1.BackupSpec{ExcludedResources: []string{"secrets"}, IncludedNamespaces: []string{"shop"}},
		},
		{
			name: "so has one that excludes Secrets among resources in namespaces", pv: bucket("shop/oss", "infra/stage"),
			spec: velerov1.BackupSpec{ExcludedNamespaceScopedResources: []string{"secret"}},
		},
		{
			name: "one that is not there does not come along", pv: bucket("shop/oss", "infra/none"),
			want:      backedUpWith{noted("secrets/shop/oss"), []string{"secrets/shop/oss"}},
			wantWarn:  []string{"secrets/infra/none is not in the cluster, so that a volume which needs it cannot be mounted; create it, or correct the PersistentVolume"},
			wantReads: 2,
		},
		{
			name: "nor does one that is being deleted", pv: bucket("shop/going", ""),
			wantWarn:  []string{"secrets/shop/going is not in the cluster, so that a volume which needs it cannot be mounted; create it, or correct the PersistentVolume"},
			wantReads: 1,
		},
		{
			name: "nor does one that a label keeps out, which must-include would override", pv: bucket("infra/labelled", ""),
			spec:      velerov1.BackupSpec{IncludedNamespaces: []string{"shop"}},
			wantInfo:  []string{"The label velero.io/exclude-from-backup keeps secrets/infra/labelled out of the backup"},
			wantReads: 1,
		},
		{
			name: "a note that came with the item is of another backup", pv: annotatedVolume(bucket("shop/oss", ""), noteKey, "secrets/old/old", "team", "shop"),
			want:      backedUpWith{map[string]string{noteKey: "secrets/shop/oss", "team": "shop"}, []string{"secrets/shop/oss"}},
			wantReads: 1,
		},
		{
			name: "it goes where there is nothing to note", pv: annotatedVolume(newVolume(), noteKey, "secrets/old/old"),
		},
		{
			name: "what came with that note goes with it: it would take along what the lists leave out",
			pv:   annotatedVolume(bucket("shop/oss", ""), noteKey, "secrets/old/old", mustKey, "true"),
			want: backedUpWith{noted("secrets/shop/oss"), []string{"secrets/shop/oss"}}, wantReads: 1,
		},
		{
			name: "both go where there is nothing to note", pv: annotatedVolume(newVolume(), noteKey, "secrets/old/old", mustKey, "true"),
		},
		{
			name: "they come back where they are needed",
			pv:   annotatedVolume(bucket("infra/stage", ""), noteKey, "secrets/old/old", mustKey, "true"),
			spec: velerov1.BackupSpec{IncludedNamespaces: []string{"shop"}},
			want: backedUpWith{must("secrets/infra/stage"), []string{"secrets/infra/stage"}}, wantReads: 1,
		},
		{
			name: "without a note it is of another tool, and stays", pv: annotatedVolume(newVolume(), mustKey, "true"),
			want: backedUpWith{Annotations: map[string]string{mustKey: "true"}},
		},
		{
			name: "a volume without Secrets stays as it is", pv: volumeWith(ofCSI),
		},
		{
			name: "so does one of another vendor", pv: volumeWith(func(pv *corev1.PersistentVolume) {
				ofCSI(pv)
				pv.Spec.CSI.Driver, pv.Spec.CSI.NodePublishSecretRef = "ebs.csi.aws.com", secretReference("shop/oss")
			}),
		},
		{
			name: "a FlexVolume without a namespace means that of its claim", pv: volumeWith(func(pv *corev1.PersistentVolume) {
				pv.Spec.NFS = nil
				pv.Spec.FlexVolume = &corev1.FlexPersistentVolumeSource{Driver: "alicloud/oss", SecretRef: &corev1.SecretReference{Name: "oss"}}
			}),
			want: backedUpWith{noted("secrets/shop/oss"), []string{"secrets/shop/oss"}}, wantReads: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(
				t, newSecret("shop/oss"), newSecret("infra/stage"),
				secretWith("shop/going", func(secret *corev1.Secret) {
					now := metav1.Now()
					secret.DeletionTimestamp, secret.Finalizers = &now, []string{"example.com/wait"}
				}),
				secretWith("infra/labelled", func(secret *corev1.Secret) {
					secret.Labels = map[string]string{velerov1.ExcludeFromBackupLabel: "true"}
				}),
			)
			backup := backupWith(func(backup *velerov1.Backup) { backup.Spec = tt.spec })
			wantBackedUpWith(t, tt.want, backUp(t, w.volumeSecrets(), asItem(t, tt.pv), backup))
			w.wantLevel(t, logrus.WarnLevel, tt.wantWarn...)
			w.wantLevel(t, logrus.ErrorLevel)
			info := w.lines(logrus.InfoLevel)
			if len(tt.want.With) > 0 {
				tt.wantInfo = append(tt.wantInfo, "The Secrets of the volume are backed up with it", "The Secrets of the volume are backed up with it")
			}
			if diff := cmp.Diff(tt.wantInfo, info, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("logged (-want +got):\n%s", diff)
			}
			wantCalls := map[string]int{}
			if tt.wantReads > 0 {
				wantCalls["get metadata of Secret"] = tt.wantReads
			}
			w.wantCalls(t, wantCalls)
		})
	}
}

// annotatedVolume adds annotations, given as keys and values.
func annotatedVolume(pv *corev1.PersistentVolume, keysAndValues ...string) *corev1.PersistentVolume {
	pv.Annotations = map[string]string{}
	for i := 0; i < len(keysAndValues); i += 2 {
		pv.Annotations[keysAndValues[i]] = keysAndValues[i+1]
	}
	return pv
}

func TestSecretsOfAClaim(t *testing.T) {
	t.Parallel()
	claim := func(change func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
		claim := newClaim(nil)
		change(claim)
		return claim
	}
	oss := backedUpWith{map[string]string{noteKey: "secrets/infra/oss", mustKey: "true"}, []string{"secrets/infra/oss"}}
	tests := []struct {
		name  string
		pv    *corev1.PersistentVolume
		claim *corev1.PersistentVolumeClaim
		want  backedUpWith
		calls map[string]int
	}{
		{
			name: "are those of its PersistentVolume", pv: bucket("infra/oss", ""), claim: newClaim(nil),
			want: oss, calls: map[string]int{"list PersistentVolumeList": 1, "get metadata of Secret": 1},
		},
		{
			name: "are not those of a PersistentVolume of another claim, which it only names", pv: bucket("infra/oss", ""),
			claim: claim(func(claim *corev1.PersistentVolumeClaim) { claim.Namespace = "thief" }),
			calls: map[string]int{"list PersistentVolumeList": 1},
		},
		{
			name: "are not those of one that is not bound yet", claim: newClaim(nil),
			pv: func() *corev1.PersistentVolume {
				pv := bucket("infra/oss", "")
				pv.Spec.ClaimRef = nil
				return pv
			}(),
			calls: map[string]int{"list PersistentVolumeList": 1},
		},
		{
			name: "are none where it has no PersistentVolume", pv: bucket("infra/oss", ""),
			claim: claim(func(claim *corev1.PersistentVolumeClaim) { claim.Spec.VolumeName = "" }),
			calls: map[string]int{},
		},
		{
			name: "are none where the PersistentVolume has none", pv: newVolume(), claim: newClaim(nil),
			calls: map[string]int{"list PersistentVolumeList": 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.pv, newSecret("infra/oss"))
			backup := backupWith(func(backup *velerov1.Backup) { backup.Spec.IncludedNamespaces = []string{"shop"} })
			wantBackedUpWith(t, tt.want, backUp(t, w.volumeSecrets(), itemOf(t, tt.claim), backup))
			w.wantLevel(t, logrus.WarnLevel)
			w.wantCalls(t, tt.calls)
		})
	}
}

// TestSecretsAreReadOnceInABackup backs up many volumes and claims with the same Secret.
func TestSecretsAreReadOnceInABackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bucket("infra/oss", "infra/none"), newSecret("infra/oss"))
	action := w.volumeSecrets()
	for range 20 {
		backUp(t, action, asItem(t, bucket("infra/oss", "infra/none")), newBackup())
		backUp(t, action, itemOf(t, newClaim(nil)), newBackup())
	}
	w.wantCalls(t, map[string]int{"list PersistentVolumeList": 1, "get metadata of Secret": 2})
	if got := w.lines(logrus.WarnLevel); len(got) != 1 {
		t.Errorf("warnings %q, want one", got)
	}
	next := backupWith(func(backup *velerov1.Backup) { backup.UID = "uid-of-backup-2" })
	backUp(t, action, itemOf(t, newClaim(nil)), next)
	w.wantCalls(t, map[string]int{"list PersistentVolumeList": 2, "get metadata of Secret": 4})
}

// TestAnExcludedNamespaceIsWarnedOfOnce backs up volumes and claims with the same Secret.
func TestAnExcludedNamespaceIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bucket("infra/oss", ""), newSecret("infra/oss"))
	action := w.volumeSecrets()
	backup := backupWith(func(backup *velerov1.Backup) { backup.Spec.ExcludedNamespaces = []string{"infra"} })
	for range 3 {
		wantBackedUpWith(t, backedUpWith{}, backUp(t, action, itemOf(t, newClaim(nil)), backup))
		wantBackedUpWith(t, backedUpWith{}, backUp(t, action, asItem(t, bucket("infra/oss", "")), backup))
	}
	entries := w.logged.AllEntries()
	if len(entries) != 1 {
		t.Fatalf("%d entries, want 1", len(entries))
	}
	if diff := cmp.Diff(logrus.Fields{"namespace": "shop", "name": "data", "companion": "secrets/infra/oss"}, entries[0].Data); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	w.wantCalls(t, map[string]int{"list PersistentVolumeList": 1})
}

func TestAWarningNamesTheVolumeAndTheSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	backUp(t, w.volumeSecrets(), asItem(t, bucket("infra/none", "")), newBackup())
	entries := w.logged.AllEntries()
	if len(entries) != 1 {
		t.Fatalf("%d entries, want 1", len(entries))
	}
	if diff := cmp.Diff(logrus.Fields{"namespace": "", "name": pvName, "companion": "secrets/infra/none"}, entries[0].Data); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

// TestSecretsThatCannotBeRead holds that an object is worth more than what it needs: no
// error is returned, and one warning says it all.
func TestSecretsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bucket("infra/oss", ""), newSecret("infra/oss"))
	w.refused["get metadata of Secret"] = errors.New("no role")
	w.refused["list PersistentVolumeList"] = errors.New("no role")
	action := w.volumeSecrets()
	for range 3 {
		wantBackedUpWith(t, backedUpWith{}, backUp(t, action, asItem(t, bucket("infra/oss", "")), newBackup()))
		wantBackedUpWith(t, backedUpWith{}, backUp(t, action, itemOf(t, newClaim(nil)), newBackup()))
	}
	w.wantLevel(
		t, logrus.WarnLevel,
		"Cannot read secrets/infra/oss, so it may be missing from the backup: what needs it may not work where it is restored: no role",
		"Cannot find out which Secrets the volumes of claims need: they are in the backup only where it has the PersistentVolumes: listing the PersistentVolumes: no role",
	)
	w.wantLevel(t, logrus.ErrorLevel)
}

func TestVolumesOutsideOfAClusterAreBackedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nowhere := cluster.Absent(cluster.ErrNone)
	action := backupitemaction.NewVolumeSecrets(w.log, nowhere, backupitemaction.NewSecretReferences(nowhere))
	wantBackedUpWith(t, backedUpWith{}, backUp(t, action, asItem(t, bucket("infra/oss", "")), newBackup()))
	wantBackedUpWith(t, backedUpWith{}, backUp(t, action, itemOf(t, newClaim(nil)), newBackup()))
	if got := w.lines(logrus.WarnLevel); len(got) != 2 {
		t.Errorf("warnings %q, want 2", got)
	}
}

func TestWantedSecrets(t *testing.T) {
	t.Parallel()
	named := func(name string, pv *corev1.PersistentVolume, claimNamespace string) *corev1.PersistentVolume {
		pv.Name = name
		pv.Spec.ClaimRef.Namespace = claimNamespace
		return pv
	}
	w := newWorld(
		t,
		named("a", bucket("kube-system/oss", ""), "shop"),
		named("b", bucket("kube-system/oss", "kube-system/logs"), "kube-system"),
		named("c", volumeWith(func(pv *corev1.PersistentVolume) {
			*pv = *bucket("kube-system/free", "")
			pv.Spec.ClaimRef = &corev1.ObjectReference{}
		}), ""),
	)
	references := backupitemaction.NewSecretReferences(cluster.New(w.api, veleroNamespace))
	isSystem := func(namespace string) bool { return namespace == "kube-system" }
	got := map[string]bool{}
	for _, name := range []string{"oss", "logs", "free", "other"} {
		wanted, err := references.Wants(t.Context(), newBackup(), types.NamespacedName{Namespace: "kube-system", Name: name}, isSystem)
		if err != nil {
			t.Fatal(err)
		}
		got[name] = wanted
	}
	if diff := cmp.Diff(map[string]bool{"oss": true, "logs": false, "free": true, "other": false}, got); diff != "" {
		t.Errorf("wanted Secrets (-want +got):\n%s", diff)
	}
	w.wantCalls(t, map[string]int{"list PersistentVolumeList": 1})

	refused := errors.New("no role")
	w.refused["list PersistentVolumeList"] = refused
	next := backupWith(func(backup *velerov1.Backup) { backup.UID = "uid-of-backup-2" })
	if _, err := references.Wants(t.Context(), next, types.NamespacedName{}, isSystem); !errors.Is(err, refused) {
		t.Errorf("Wants() error = %v, want %v", err, refused)
	}
}

// TestASecretIsReturnedForOneItemOfABackup holds that Velero is not told to read a Secret
// for each item that needs it, while every item has the note, and the next backup the Secret.
func TestASecretIsReturnedForOneItemOfABackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newSecret("shop/oss"), bucket("shop/oss", ""))
	action := w.volumeSecrets()
	noted := map[string]string{noteKey: "secrets/shop/oss"}
	for _, uid := range []types.UID{"first", "second"} {
		backup := backupWith(func(backup *velerov1.Backup) { backup.UID = uid })
		claim := newClaim(nil)
		claim.Spec.VolumeName = pvName
		wantBackedUpWith(t, backedUpWith{noted, []string{"secrets/shop/oss"}}, backUp(t, action, itemOf(t, claim), backup))
		wantBackedUpWith(t, backedUpWith{Annotations: noted}, backUp(t, action, asItem(t, bucket("shop/oss", "")), backup))
	}
}
