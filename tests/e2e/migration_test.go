//go:build e2e

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/slb"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger"
)

const (
	// shop is the namespace of the application that migrates, and the name of its backup.
	shop = "store"
	// awayRegistry is where the images of Docker Hub are in the other region.
	awayRegistry = "registry.cn-beijing.aliyuncs.com/my-registry/"
	// stays is a label of what cannot go to another region.
	stays = "stays-in-region"
	// reports is a claim on NAS, and the file that it has.
	reports = "reports"
	// The Services of the application beside those that each ledger has.
	reusingService, secondService = "ledger-reusing", "ledger-second"
	// Node ports that the API server gives nobody who does not ask for them, as long as it has others.
	keptPort, takenPort = 30080, 30081
	balancerAnnotation  = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
)

// migration is an application in the first cluster that serves and has been backed up.
type migration struct {
	*environment
	source *application
	volume ledger.Volume
	cuts   map[string]cut
	// reused is a load balancer that the application uses and does not own, managed the one that was made for it. They are
	// as they were before any restore.
	reused, managed slb.LoadBalancer
}

// testMigration restores an application from one backup into a cluster of another region, and beside itself. It serves all
// the time.
func (e *environment) testMigration(t *testing.T) {
	t.Parallel()
	m := e.startShop(t)
	defer m.source.keepServing(t, m.reused.Address, m.managed.Address)()
	m.home.backup(t, shop, "--include-namespaces", shop)
	m.cuts = m.source.cuts(t, shop, m.volume)
	t.Run("restored", func(t *testing.T) {
		t.Run("beside itself", m.testBeside)
		t.Run("in another region", m.testAway)
		t.Run("in another region with a file system", m.testFilesAway)
	})
}

// startShop starts the application with all that a migration has to change.
func (e *environment) startShop(t *testing.T) *migration {
	t.Helper()
	m := &migration{environment: e, volume: onDisk("alicloud-disk-ssd")}
	reused, err := e.balancers.In(homeRegion).Create(slb.Spec{Kind: slb.CLB, Name: shop})
	must(t, err)
	m.source = e.home.startLedger(t, ledger.Options{Namespace: shop, Volumes: []ledger.Volume{m.volume}, NodePort: keptPort})
	e.home.create(
		t,
		service(reusingService, corev1.ServiceTypeLoadBalancer, 0, map[string]string{
			balancerAnnotation + "id": reused.ID, balancerAnnotation + "force-override-listeners": "true",
		}),
		service(secondService, corev1.ServiceTypeNodePort, takenPort, nil),
		&corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: reports, Labels: map[string]string{stays: "true"}},
			Spec: corev1.PersistentVolumeClaimSpec{
				StorageClassName: new(nasClass), AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
				Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")}},
			},
		},
	)
	dir, err := e.home.storageOf(e.home.volumeOf(t, shop, reports))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, reports), []byte(reports), 0o600))
	m.reused, m.managed = e.home.balancerOf(t, shop, reusingService), e.home.balancerOf(t, shop, ledger.Name)
	if m.reused.ID != reused.ID {
		t.Fatalf("the load balancer of %s is %s, want %s", reusingService, m.reused.ID, reused.ID)
	}
	return m
}

// service is a Service of the application.
func service(name string, kind corev1.ServiceType, nodePort int32, annotations map[string]string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name, Annotations: annotations},
		Spec: corev1.ServiceSpec{
			Type: kind, Selector: map[string]string{"app.kubernetes.io/name": ledger.Name},
			Ports: []corev1.ServicePort{{Port: ledger.Port, TargetPort: intstr.FromInt32(ledger.Port), NodePort: nodePort}},
		},
	}
}

// settings is the ConfigMap of an action for one restore.
func settings(action, restore string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: veleroNamespace, Name: action + "-" + restore,
			Labels:      map[string]string{"velero.io/plugin-config": "", "alibabacloud.com/" + action: "RestoreItemAction"},
			Annotations: map[string]string{"alibabacloud.com/restore": restore},
		},
		Data: data,
	}
}

// moved is what a migration changes.
type moved struct {
	Image    string
	Template corev1.PersistentVolumeClaimSpec
	Claim    corev1.PersistentVolumeClaimSpec
	Disk     ecs.DiskInfo
	Reused   string
	Override string
}

// testAway restores the application in the cluster of the other region: other disks in another zone, of another class and
// access mode, images of another registry, and load balancers of that region.
func (m *migration) testAway(t *testing.T) {
	t.Parallel()
	const name = shop + "-away"
	s := m.away
	archive, err := cluster.BuildImage(t.Context(), ledgerIn(awayRegistry))
	must(t, err)
	must(t, s.LoadImage(t.Context(), archive))
	other, err := m.balancers.In(awayRegion).Create(slb.Spec{Kind: slb.CLB, Name: name})
	must(t, err)
	must(t, m.balancers.In(awayRegion).CreateListener(slb.CLB, other.ID, slb.Listener{
		Port: ledger.Port, Protocol: "http", Scheduler: "wrr", Description: "of a person", Attributes: map[string]string{"XForwardedFor": "on"},
	}))
	listeners, atHome := m.listeners(t, other.ID), m.listeners(t, m.reused.ID)
	const neighbour = shop + "-neighbour"
	holder := service("holder", corev1.ServiceTypeNodePort, takenPort, nil)
	holder.Namespace = neighbour
	s.create(
		t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: neighbour}}, holder,
		settings("storage-class-mapping", name, map[string]string{"rules": fmt.Sprintf(
			"- from: %s\n  namespaces: [%s]\n  to: {class: alicloud-disk-essd, accessModes: [ReadWriteOncePod], capacity: 40Gi}\n", m.volume.StorageClass, shop,
		)}),
		settings("image-mapping", name, map[string]string{"imageRegistryMapping": "docker.io/library/: " + awayRegistry + "\n"}),
		settings("annotations", name, map[string]string{"rules": "- overwrite:\n    " + balancerAnnotation + "id: " + other.ID + "\n"}),
	)

	s.discardAtEnd(t, shop)
	s.discardAtEnd(t, neighbour)
	s.awaitSynced(t, shop)
	s.restore(t, name, shop, "--include-namespaces", shop, "--selector", "!"+stays)
	app := &application{site: s, namespace: shop}
	app.awaitRestored(t, m.cuts)
	m.checkMoved(t, app, other.ID)
	m.checkBalancers(t, app, other, listeners)
	if got := s.nodePort(t, shop, ledger.NodePortName); got != keptPort {
		t.Errorf("the node port is %d, want that of the backup, %d", got, keptPort)
	}
	s.checkTaken(t, name, shop, secondService, takenPort)
	if diff := cmp.Diff(atHome, m.listeners(t, m.reused.ID)); diff != "" {
		t.Errorf("the listeners of the load balancer that the source uses (-before +after):\n%s", diff)
	}
}

// checkMoved compares all that the settings have changed.
func (m *migration) checkMoved(t *testing.T, app *application, balancer string) {
	t.Helper()
	s := app.site
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: app.namespace, Name: ledger.Name}}
	reusing := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: app.namespace, Name: reusingService}}
	bound := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: app.namespace, Name: claim(m.volume.Name)}}
	for _, object := range []client.Object{set, reusing, bound} {
		s.get(t, object)
	}
	volume := s.volumeOf(t, app.namespace, bound.Name)
	disk := m.cloud.disk(t, volume.Spec.CSI.VolumeHandle)
	spec := corev1.PersistentVolumeClaimSpec{
		StorageClassName: new("alicloud-disk-essd"), AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod},
		VolumeMode: new(corev1.PersistentVolumeFilesystem),
		Resources:  corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("40Gi")}},
	}
	want := moved{
		Image: ledgerIn(awayRegistry).Name, Template: spec, Claim: spec,
		Disk:   ecs.DiskInfo{Region: awayRegion, Zone: awayZone, Category: "cloud_essd", PerformanceLevel: "PL1", Size: 40, Status: "In_use"},
		Reused: balancer, Override: "false",
	}
	want.Claim.VolumeName = volume.Name
	got := moved{
		Image: s.awaitPod(t, app.namespace, pod).Spec.Containers[0].Image, Template: set.Spec.VolumeClaimTemplates[0].Spec, Claim: bound.Spec,
		Disk: ecs.DiskInfo{
			Region: disk.Region, Zone: disk.Zone, Category: disk.Category, PerformanceLevel: disk.PerformanceLevel, Size: disk.Size, Status: disk.Status,
		},
		Reused: reusing.Annotations[balancerAnnotation+"id"], Override: reusing.Annotations[balancerAnnotation+"force-override-listeners"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the settings ask for (-want +got):\n%s", diff)
	}
}

// disk is a disk of the cloud.
func (c *simulated) disk(t *testing.T, id string) ecs.DiskInfo {
	t.Helper()
	for _, d := range c.ECS().Disks() {
		if d.ID == id {
			return d
		}
	}
	t.Fatalf("there is no disk %s", id)
	return ecs.DiskInfo{}
}

// testFilesAway restores what testAway leaves out: files that Cloud Backup has in a vault of the source's region. The user is
// told, and no Pod gets an empty volume in place of them.
func (m *migration) testFilesAway(t *testing.T) {
	t.Parallel()
	const name = shop + "-files-away"
	s := m.away
	s.discardAtEnd(t, name)
	s.awaitSynced(t, shop)
	s.velero(t, "restore", "create", name, "--from-backup", shop, "--include-namespaces", shop, "--namespace-mappings", shop+":"+name, "--selector", stays+"=true")
	s.awaitRestore(t, name, velerov1.RestorePhasePartiallyFailed)
	const want = "only disk type PVs support cross-region restore in current version: the snapshot is in cn-hangzhou, this cluster in cn-beijing"
	if told := s.describe(t.Context(), "restore", name); !strings.Contains(told, want) {
		t.Errorf("the restore does not say %q:\n%s", want, told)
	}
	found := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: reports}}
	s.get(t, found)
	if found.Status.Phase != corev1.ClaimPending {
		t.Errorf("the claim is %s, and %q has no files", found.Status.Phase, found.Spec.VolumeName)
	}
}
