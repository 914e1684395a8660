// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// scenario is a restore of some objects into a cluster with settings.
type scenario struct {
	restore *velerov1.Restore
	// settings are the data of ConfigMaps by action; upstream is that of Velero's own
	// change-storage-class.
	settings map[string]map[string]string
	upstream map[string]string
	zones    []string
	served   *served
	// isThere says that the Secret of volumes and the class of Ingresses are in the cluster.
	isThere bool
	// objects come in the order in which Velero restores them.
	objects []scenarioObject
}

// scenarioObject is an object as it was backed up, and as it comes to the actions.
type scenarioObject struct{ backedUp, item *unstructured.Unstructured }

// clusterObjects are what the cluster has before the restore.
func (s *scenario) clusterObjects() []client.Object {
	objects := classesHere()
	for action, data := range s.settings {
		objects = append(objects, configMapOf(action, data))
	}
	if s.upstream != nil {
		objects = append(objects, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: veleroNamespace, Name: "upstream",
				Labels: map[string]string{"velero.io/plugin-config": "", "velero.io/change-storage-class": "RestoreItemAction"},
			},
			Data: s.upstream,
		})
	}
	if s.isThere {
		objects = append(
			objects,
			&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "market", Name: "oss"}},
			&networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "alb"}},
		)
	}
	for _, zone := range s.zones {
		objects = append(objects, nodeIn(zone))
	}
	return objects
}

// restoreOfShop restores the namespace shop as market.
func restoreOfShop() *velerov1.Restore {
	restore := newRestore("restore-1")
	restore.Spec.NamespaceMapping = map[string]string{"shop": "market"}
	return restore
}

// newScenario generates one.
func newScenario(t *testing.T, r *rand.Rand) *scenario {
	t.Helper()
	g := generator{r}
	s := &scenario{
		restore:  restoreOfShop(),
		settings: g.settings(),
		zones:    pick(g, []string{"cn-beijing-k"}, []string{"cn-beijing-k", "cn-beijing-l"}),
		served:   everything(),
	}
	if g.chance(10) {
		preserve := g.chance(50)
		s.restore.Spec.PreserveNodePorts = &preserve
	}
	if g.chance(30) {
		s.restore.Spec.IncludedNamespaces = []string{"shop"}
	}
	if g.chance(30) {
		s.restore.Spec.ExistingResourcePolicy = velerov1.PolicyTypeUpdate
		s.isThere = g.chance(50)
	}
	if g.chance(20) {
		s.upstream = map[string]string{"ssd": pick(g, "essd", "pl2"), "gp2": "essd"}
	}
	if g.chance(90) {
		for _, version := range oldVersionsHere() {
			delete(s.served.kinds, version)
		}
	}
	volume, claim := g.volume()
	for _, text := range []string{
		g.storageClass(), volume, claim, g.claim(), pick(g, g.pod(), g.deployment(), g.cronJob()), g.statefulSet(), g.service(), g.ingress(),
	} {
		backedUp := readObject(t, text)
		item := byVelero(t, s.restore, s.upstream, backedUp)
		if item.GetKind() == "PersistentVolume" && g.chance(80) {
			item = g.ofSnapshot(item)
		}
		s.objects = append(s.objects, scenarioObject{backedUp: backedUp, item: item})
	}
	return s
}

// ofSnapshot does what a snapshotter does for a PersistentVolume that it restores: disks
// are made anew, and their files are restored as seldom as they are backed up.
func (g generator) ofSnapshot(pv *unstructured.Unstructured) *unstructured.Unstructured {
	made := pv.DeepCopy()
	becomeNewDisk(made)
	if equality.Semantic.DeepEqual(made.Object, pv.Object) || g.chance(10) {
		return pending(pv)
	}
	return made
}

// becomeNewDisk does what the snapshotter does for a disk that it has made.
func becomeNewDisk(pv *unstructured.Unstructured) {
	if _, ok, _ := unstructured.NestedString(pv.Object, "spec", "flexVolume", "options", "VolumeId"); ok {
		_ = unstructured.SetNestedField(pv.Object, newDisk, "spec", "flexVolume", "options", "VolumeId")
	}
	if driver, _, _ := unstructured.NestedString(pv.Object, "spec", "csi", "driver"); driver == diskDriver {
		_ = unstructured.SetNestedField(pv.Object, newDisk, "spec", "csi", "volumeHandle")
	}
}

// oldVersionsHere are versions that clusters of today do not serve.
func oldVersionsHere() []string {
	return []string{"extensions/v1beta1", "apps/v1beta1", "batch/v1beta1", "networking.k8s.io/v1beta1", "storage.k8s.io/v1beta1"}
}

// everything serves versions of old and of today.
func everything() *served {
	kinds := map[string][]string{
		"apps/v1": {"Deployment", "StatefulSet"}, "batch/v1": {"CronJob"},
		"networking.k8s.io/v1": {"Ingress"}, "storage.k8s.io/v1": {"StorageClass"}, "alibabacloud.com/v1": {"AlbConfig"},
	}
	for _, version := range oldVersionsHere() {
		kinds[version] = []string{"Deployment", "StatefulSet", "CronJob", "Ingress", "StorageClass"}
	}
	return &served{kinds: kinds}
}

// generator makes parts of scenarios, in YAML.
type generator struct{ *rand.Rand }

func (g generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g generator, values ...T) T { return values[g.IntN(len(values))] }

// maybe is text, or nothing.
func (g generator) maybe(percent int, text string) string {
	if g.chance(percent) {
		return text
	}
	return ""
}

// settings are those of the actions that have any.
func (g generator) settings() map[string]map[string]string {
	all := map[string]map[string]string{}
	if g.chance(90) {
		all["image-mapping"] = map[string]string{
			"imageRegistryMapping": "docker.io/library: reg.cn/mirror\nquay.io/team: reg.cn/team\n",
			"case1":                pick(g, "nginx:1.14.1,nginx:1.14.2", "nginx,web", "1.14.1:1.14.2"),
		}
	}
	if g.chance(90) {
		all["storage-class-mapping"] = g.storageClassMapping()
	}
	if g.chance(60) {
		all["load-balancer"] = map[string]string{
			"reuse": pick(g, "keep", "new"), "overrideListeners": pick(g, "true", "false"), "nodePortRange": pick(g, "30000-32767", "31000-32767"),
		}
	}
	if g.chance(80) {
		all["annotations"] = map[string]string{"rules": g.annotationRules()}
	}
	if g.chance(5) {
		all["flexvolume-to-csi"] = map[string]string{"enabled": "false"}
	}
	return all
}

func (g generator) storageClassMapping() map[string]string {
	data := map[string]string{}
	for _, class := range []string{"ssd", "gp2", "nfs"} {
		if g.chance(85) {
			data[class] = pick(g, "essd", "essd", "essd", "pl2", "shared", "alibabacloud-cnfs-nas")
		}
	}
	if g.chance(30) {
		data["rules"] = fmt.Sprintf("- from: %s\n  names: [%s]\n  to: %s\n",
			pick(g, "ssd", "gp2", `""`), pick(g, "data", "fresh", "www-web-0"), flow(
				g.maybe(70, "class: "+pick(g, "essd", "shared", "immediate")),
				g.maybe(40, "accessModes: ["+g.modes()+"]"),
				"capacity: "+pick(g, "40Gi", `"21474836480"`, "100G", "20480Mi", "5Gi")))
	}
	if g.chance(50) {
		data["missingClasses"] = "{disk: essd, nas: alibabacloud-cnfs-nas}"
	}
	return data
}

// flow is a map or a part of one, of the entries that are not empty.
func flow(entries ...string) string {
	kept := slices.DeleteFunc(entries, func(entry string) bool { return entry == "" })
	return "{" + strings.Join(kept, ", ") + "}"
}

func (g generator) annotationRules() string {
	const prefix = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
	var rules strings.Builder
	for range 1 + g.IntN(3) {
		key := pick(g, prefix+"id", prefix+"force-override-listeners", prefix+"address-type", "team", "kubernetes.io/ingress.class")
		fmt.Fprintf(&rules, "- %s%s\n", g.maybe(30, "kinds: ["+pick(g, "Service", "Ingress")+"]\n  "),
			pick(g, fmt.Sprintf("set: {%s: mapped}", key), fmt.Sprintf("overwrite: {%s: mapped}", key), fmt.Sprintf("remove: [%s]", key)))
	}
	return rules.String()
}

func (g generator) modes() string {
	return pick(g, writers, writers, readers, readers, once, once+", "+writers)
}

func (g generator) size() string {
	return pick(g, "5Gi", "5Gi", "5Gi", "5Gi", "10G", `"5368709120"`, "20Gi", "500Gi")
}

func (g generator) class() string { return pick(g, "ssd", "ssd", "gp2", "nfs", "essd", "gone") }

// classOf is a class, as the field or as the annotation that came before it.
func (g generator) classOf() (annotation, field string) {
	switch class := g.class(); {
	case g.chance(15):
		return "volume.beta.kubernetes.io/storage-class: " + class, ""
	case g.chance(10):
		return "", ""
	default:
		return "", "storageClassName: " + class
	}
}

// volume is a PersistentVolume and its claim.
func (g generator) volume() (volume, claim string) {
	source := pick(g,
		`csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-old, fsType: ext4, volumeAttributes: {type: cloud_ssd}}`,
		`flexVolume: {driver: alicloud/disk, fsType: ext4, options: {VolumeId: d-old}}`,
		`flexVolume: {driver: alicloud/disk, fsType: ext4, options: {VolumeId: d-old}}`,
		`flexVolume: {driver: alicloud/disk, fsType: ext4, options: {VolumeId: d-old}}`,
		`flexVolume: {driver: alicloud/nas, options: {server: nas.example, path: /k8s, vers: "4.0"}}`,
		`flexVolume: {driver: alicloud/oss, options: {bucket: docs, url: oss.example, akId: id, akSecret: secret}}`,
		`flexVolume: {driver: alicloud/oss, secretRef: {namespace: shop, name: oss}, options: {bucket: docs, url: oss.example}}`,
		`csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: oss-1, nodePublishSecretRef: {namespace: shop, name: oss}, nodeStageSecretRef: {namespace: infra, name: oss}}`,
		`csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: nas-1, volumeAttributes: {server: nas.example}}`,
	)
	annotation, class := g.classOf()
	note := g.secretsNote()
	labels, marks := "topology.kubernetes.io/zone: cn-beijing-k", []string{
		g.maybe(20, `alibabacloud.com/data-left-out: "daily: no running Pod mounts the claim shop/data"`),
	}
	if g.chance(30) {
		// A backup adds a zone to a volume that names it in another way.
		labels += ", failure-domain.beta.kubernetes.io/zone: cn-beijing-k"
		marks = append(marks, "alibabacloud.com/zone-of-backup: cn-beijing-k")
	}
	modes, size := g.modes(), g.size()
	shared := fmt.Sprintf("accessModes: [%s]\n  %s", modes, class)
	volume = fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolume
metadata:
  name: pv-data
  labels: {%s}
  annotations: %s
spec:
  %s
  %s
  capacity: {storage: %s}
  claimRef: {kind: PersistentVolumeClaim, namespace: shop, name: data}
  persistentVolumeReclaimPolicy: Delete
`, labels, flow(append(marks, g.maybe(80, "pv.kubernetes.io/provisioned-by: alicloud/disk"), annotation, note)...), source, shared, size)
	claim = fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {namespace: shop, name: data, annotations: %s}
spec:
  %s
  resources: {requests: {storage: %s}}
  volumeName: pv-data
status: {phase: Bound, capacity: {storage: %s}}
`, flow(`pv.kubernetes.io/bind-completed: "yes"`, annotation, note), shared, size, size)
	return volume, claim
}

// secretsNote is what a backup writes into a PersistentVolume and its claim for their
// Secrets, mostly.
func (g generator) secretsNote() string {
	return g.maybe(90, pick(g,
		`alibabacloud.com/backed-up-with: secrets/shop/oss`,
		`alibabacloud.com/backed-up-with: "secrets/infra/oss,secrets/shop/oss", backup.velero.io/must-include-additional-items: "true"`,
	))
}

// claim is one whose volume is provisioned.
func (g generator) claim() string {
	annotation, class := g.classOf()
	return fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {namespace: shop, name: fresh, annotations: %s}
spec:
  accessModes: [%s]
  %s
  resources: {requests: {storage: %s}}
`, flow(pick(g, "volume.kubernetes.io/storage-provisioner: alicloud/disk", "team: shop"), annotation), g.modes(), class, g.size())
}

// podSpec is that of a Pod, of which lines but the first are indented by so much.
func (g generator) podSpec(indent int) string {
	volume := pick(g,
		`{name: data, flexVolume: {driver: alicloud/disk, fsType: ext4, options: {volumeId: d-inline}}}`,
		`{name: data, flexVolume: {driver: alicloud/nas, options: {server: nas.example, path: /inline}}}`,
		`{name: data, flexVolume: {driver: alicloud/oss, options: {bucket: docs, url: oss.example, akId: id, akSecret: secret}}}`,
		`{name: data, emptyDir: {}}`,
	)
	lines := []string{
		"volumes: [" + volume + "]",
		"initContainers: [{name: init, image: " + g.image() + "}]",
		"containers: [{name: web, image: " + g.image() + "}]",
	}
	return strings.Join(lines, "\n"+strings.Repeat(" ", indent))
}

func (g generator) image() string {
	return pick(g, "nginx:1.14.1", "nginx", "quay.io/team/proxy:v1", "docker.io/library/nginx:1.14.1@"+imageDigest, "other.example/app:1.14.1")
}

func (g generator) pod() string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {namespace: shop, name: web}\nspec:\n  " + g.podSpec(2)
}

func (g generator) deployment() string {
	return fmt.Sprintf(`
apiVersion: %s
kind: Deployment
metadata: {namespace: shop, name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      %s
`, pick(g, "extensions/v1beta1", "apps/v1beta1", "apps/v1"), g.podSpec(6))
}

func (g generator) statefulSet() string {
	annotation, class := g.classOf()
	return fmt.Sprintf(`
apiVersion: %s
kind: StatefulSet
metadata: {namespace: shop, name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      %s
  volumeClaimTemplates:
  - metadata: {name: www, annotations: %s}
    spec:
      accessModes: [%s]
      %s
      resources: {requests: {storage: %s}}
`, pick(g, "apps/v1beta1", "apps/v1beta1", "apps/v1beta1", "apps/v1beta1", "apps/v1beta1", "apps/v1beta1", "apps/v1"), g.podSpec(6), flow(annotation), g.modes(), class, g.size())
}

func (g generator) cronJob() string {
	return fmt.Sprintf(`
apiVersion: %s
kind: CronJob
metadata: {namespace: shop, name: report}
spec:
  schedule: "* * * * *"
  jobTemplate:
    spec:
      template:
        spec:
          %s
`, pick(g, "batch/v1beta1", "batch/v1"), g.podSpec(10))
}

func (g generator) service() string {
	const prefix = "service.beta.kubernetes.io/ali"
	return fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata:
  namespace: shop
  name: web
  annotations: %s
  labels: %s
  finalizers: [%s]
spec:
  type: %s
  clusterIP: 10.96.0.10
  healthCheckNodePort: 31999
  ports: [{name: http, port: 80, nodePort: 30080}, {name: https, port: 443, nodePort: 31443}]
status: {loadBalancer: {ingress: [{ip: 47.1.2.3}]}}
`,
		flow(
			g.maybe(60, prefix+pick(g, "baba-cloud", "cloud")+"-loadbalancer-id: lb-1"),
			g.maybe(40, prefix+"baba-cloud-loadbalancer-force-override-listeners: "+pick(g, `"true"`, `"false"`)),
			g.maybe(30, prefix+pick(g, "baba-cloud", "cloud")+`-loadbalancer-vgroup-port: "rsp-1:80"`),
			"team: shop",
		),
		flow("app: web", g.maybe(60, "service.beta.kubernetes.io/hash: abc")),
		g.maybe(60, "service.k8s.alibaba/resources"),
		pick(g, "LoadBalancer", "LoadBalancer", "LoadBalancer", "NodePort"))
}

func (g generator) ingress() string {
	version := pick(g, "extensions/v1beta1", "extensions/v1beta1", "networking.k8s.io/v1beta1", "networking.k8s.io/v1beta1", "networking.k8s.io/v1")
	backend := "{serviceName: web, servicePort: 80}"
	if version == "networking.k8s.io/v1" {
		backend = "{service: {name: web, port: {number: 80}}}"
	}
	return fmt.Sprintf(`
apiVersion: %s
kind: Ingress
metadata: {namespace: shop, name: web, annotations: %s}
spec:
  %s
  rules: [{http: {paths: [{path: /, backend: %s}]}}]
`, version, flow(
		g.maybe(60, "kubernetes.io/ingress.class: nginx"), g.maybe(80, "team: shop"),
		g.maybe(80, `alibabacloud.com/backed-up-with: "ingressclasses.networking.k8s.io/alb,albconfigs.alibabacloud.com/alb"`),
	), g.maybe(30, "ingressClassName: alb"), backend)
}

func (g generator) storageClass() string {
	return fmt.Sprintf(`
apiVersion: %s
kind: StorageClass
metadata: {name: of-the-shop}
provisioner: %s
parameters: {type: available, regionId: cn-hangzhou}
`, pick(g, "storage.k8s.io/v1beta1", "storage.k8s.io/v1"), pick(g, "alicloud/disk", "alicloud/disk", "ebs.csi.aws.com"))
}

// foreignObjects have no mark of Alibaba Cloud, and are of versions of today.
func foreignObjects(t *testing.T, r *rand.Rand) []scenarioObject {
	t.Helper()
	g := generator{r}
	spec := fmt.Sprintf("volumes: [{name: data, %s}]\n      containers: [{name: web, image: %q}]",
		pick(g, "emptyDir: {}", "flexVolume: {driver: example.com/disk}"), g.image())
	class := pick(g, "storageClassName: gp2", `storageClassName: ""`, "")
	volume := fmt.Sprintf("accessModes: [%s]\n  %s", g.modes(), class)
	var objects []scenarioObject
	for _, text := range []string{
		fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-data, fieldOfTomorrow: 1}
spec:
  %s
  capacity: {storage: %s}
  claimRef: {kind: PersistentVolumeClaim, namespace: shop, name: data}
  csi: {driver: ebs.csi.aws.com, volumeHandle: %s}
`, volume, g.size(), pick(g, "vol-1", "d-old")),
		fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {namespace: shop, name: data}
spec:
  %s
  resources: {requests: {storage: %s}}
  volumeName: %s
`, volume, g.size(), pick(g, `""`, "pv-data")),
		fmt.Sprintf(`
apiVersion: apps/v1
kind: StatefulSet
metadata: {namespace: shop, name: web}
spec:
  template:
    spec:
      %s
  volumeClaimTemplates: [{metadata: {name: www}, spec: %s}]
`, spec, flow("accessModes: ["+g.modes()+"]", class, "resources: {requests: {storage: "+g.size()+"}}")),
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {namespace: shop, name: web}\nspec:\n  template:\n    spec:\n      " + spec,
		fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {namespace: shop, name: web, annotations: {service.beta.kubernetes.io/aws-load-balancer-type: nlb}}
spec: {type: %s, healthCheckNodePort: 31999, ports: [{port: 80, nodePort: 30080}]}
`, pick(g, "LoadBalancer", "ClusterIP")),
		"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {namespace: shop, name: web, annotations: {kubernetes.io/ingress.class: nginx}}",
		"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: gp2}\nprovisioner: ebs.csi.aws.com",
		"apiVersion: example.com/v1beta1\nkind: Ingress\nmetadata: {namespace: shop, name: web}",
	} {
		object := readObject(t, text)
		objects = append(objects, scenarioObject{backedUp: object, item: object.DeepCopy()})
	}
	return objects
}
