// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
)

const (
	clusterACK     = "ACK"
	networkClassic = "CLASSIC"
	networkVPC     = "VPC"

	paramClusterID = "ClusterId"
)

// Statuses of the agents of a cluster together.
const (
	agentMiss    = "MISS"
	agentUnknown = "UNKNOWN"
	agentReady   = "READY"
)

// defaultPods is where a kubelet keeps the volumes of pods.
const defaultPods = "/var/lib/kubelet/pods"

// cluster is a container cluster that has been registered.
type cluster struct {
	resource
	identifier, name, description string
	kind, network                 string
	token                         string
	// agents are the Cloud Backup clients, by node.
	agents map[string]Agent
	// silent says that the agents are not heard of.
	silent bool
}

// Agent is a Cloud Backup client on a node of a container cluster. It is all that the service knows of the node: it has
// never seen a PersistentVolume.
type Agent struct {
	// Cluster is the id that AddContainerCluster has given, cc-…
	Cluster string `json:"cluster,omitempty"`
	// Token is what the client registers with, HBR_TOKEN of its container. Empty means the right one. Either it or
	// Cluster must be given.
	Token string `json:"token,omitempty"`
	Node  string `json:"node"`
	// Root is the directory that stands for the node's file system as the client sees it.
	Root string `json:"root"`
	// Files is that file system where something is mounted in it. Root is not read then.
	Files *tree.Machine `json:"-"`
	// Pods is the directory in it that hostPrefix is relative to in a backup. Empty means /var/lib/kubelet/pods.
	Pods string `json:"pods,omitempty"`
}

// sourcePath is the absolute path on the node of what a backup job reads.
func (a Agent) sourcePath(hostPrefix, pvPath string) string {
	return path.Join(a.Pods, hostPrefix, pvPath)
}

func (s *Service) clusterOperations() []operation {
	return []operation{
		{action: "AddContainerCluster", target: "Identifier", handle: s.addContainerCluster},
		{action: "DescribeContainerCluster", target: paramClusterID, handle: s.describeContainerCluster},
		{action: "UpdateContainerCluster", target: paramClusterID, handle: s.updateContainerCluster},
		{action: "DeleteContainerCluster", target: paramClusterID, handle: s.deleteContainerCluster},
	}
}

// addContainerCluster registers a cluster. Assumed: one that is registered already keeps its id and its token, and
// gets the new name and network.
func (s *Service) addContainerCluster(r *request) (any, error) {
	c, err := readCluster(r)
	if err != nil {
		return nil, err
	}
	for _, old := range s.clusters {
		if old.identifier == c.identifier && old.account == r.Caller.AccountID && old.region == r.Region {
			old.name, old.description, old.network = c.name, c.description, c.network
			return old.registration(), nil
		}
	}
	c.resource, c.token, c.agents = s.newResource(r, prefixCluster), newToken(), map[string]Agent{}
	s.clusters[c.id] = c
	return c.registration(), nil
}

func readCluster(r *request) (*cluster, error) {
	c := &cluster{
		identifier: r.Params.String("Identifier"), name: r.Params.String("Name"),
		description: r.Params.String("Description"), kind: r.Params.String("ClusterType"),
		network: r.Params.String("NetworkType"),
	}
	switch {
	case c.kind != clusterACK:
		return nil, illegal("ClusterType is not ACK")
	case !oneOf(c.network, networkClassic, networkVPC):
		return nil, illegal("NetworkType is neither CLASSIC nor VPC")
	}
	return c, nil
}

func (c *cluster) registration() map[string]string {
	return map[string]string{paramClusterID: c.id, "Token": c.token}
}

type clusterView struct {
	ClusterID   string `json:"ClusterId"`
	ClusterType string `json:"ClusterType"`
	Identifier  string `json:"Identifier"`
	Name        string `json:"Name"`
	Description string `json:"Description"`
	NetworkType string `json:"NetworkType"`
	AgentStatus string `json:"AgentStatus"`
	Token       string `json:"Token"`
}

func (c *cluster) agentStatus() string {
	switch {
	case len(c.agents) == 0:
		return agentMiss
	case c.silent:
		return agentUnknown
	default:
		return agentReady
	}
}

type clustersAnswer struct {
	pageAnswer
	Clusters []clusterView `json:"Clusters"`
}

// describeContainerCluster lists the clusters of the region. One that there is not is not in the list.
func (s *Service) describeContainerCluster(r *request) (any, error) {
	all := newestFirst(r, s.clusters, func(c *cluster) bool {
		return matchAll(r.Params, map[string]string{paramClusterID: c.id, "Identifier": c.identifier})
	})
	some, paging, err := paginate(r.Params, all)
	if err != nil {
		return nil, err
	}
	result := clustersAnswer{pageAnswer: paging, Clusters: []clusterView{}}
	for _, c := range some {
		result.Clusters = append(result.Clusters, clusterView{
			ClusterID: c.id, ClusterType: c.kind, Identifier: c.identifier, Name: c.name, Description: c.description,
			NetworkType: c.network, AgentStatus: c.agentStatus(), Token: c.token,
		})
	}
	return result, nil
}

// renewal is the answer of UpdateContainerCluster, whether the token is a new one or not.
type renewal struct {
	Token        string `json:"Token"`
	TokenUpdated bool   `json:"TokenUpdated"`
}

func (s *Service) updateContainerCluster(r *request) (any, error) {
	c, ok := find(r, s.clusters, r.Params.String(paramClusterID))
	if !ok {
		return nil, resourceNotFound()
	}
	network := r.Params.String("NetworkType")
	if !oneOf(network, networkClassic, networkVPC) {
		return nil, illegal("NetworkType is neither CLASSIC nor VPC")
	}
	for name, field := range map[string]*string{"Name": &c.name, "Description": &c.description, "NetworkType": &c.network} {
		if r.Params.Has(name) {
			*field = r.Params.String(name)
		}
	}
	answer := renewal{TokenUpdated: r.Params.Bool("RenewToken")}
	if answer.TokenUpdated {
		c.token = newToken() // Assumed: agents stay registered.
	}
	answer.Token = c.token
	return answer, nil
}

// deleteContainerCluster forgets a cluster. Assumed: one that has agents needs Force.
func (s *Service) deleteContainerCluster(r *request) (any, error) {
	c, ok := find(r, s.clusters, r.Params.String(paramClusterID))
	if !ok {
		return nil, resourceNotFound()
	}
	if len(c.agents) > 0 && !r.Params.Bool("Force") {
		return nil, illegal("the cluster has agents, and Force is not set")
	}
	delete(s.clusters, c.id)
	for node := range c.agents {
		if err := s.abandon(c.id, node, r.now); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// abandon ends the jobs that run on a node whose agent has gone. Assumed: they fail as those that begin there do.
func (s *Service) abandon(clusterID, node string, now time.Time) error {
	for _, r := range s.restores {
		if r.target.cluster == clusterID && r.target.node == node {
			r.fail(messageClientNotExist, now)
		}
	}
	var err error
	for _, b := range s.backups {
		if b.volume.cluster == clusterID && b.volume.node == node {
			b.fail(messageClientNotExist, now)
			err = errors.Join(err, s.keep(b))
		}
	}
	return err
}

// addAgent needs mu.
func (s *Service) addAgent(a Agent) error {
	c, ok := s.clusters[a.Cluster]
	switch {
	case !ok:
		return fmt.Errorf("agent on node %s: container cluster %s: %w", a.Node, a.Cluster, ErrNotFound)
	case a.Token != "" && a.Token != c.token:
		return fmt.Errorf("agent on node %s: the token is not that of container cluster %s", a.Node, a.Cluster)
	case a.Node == "" || a.Root == "" && a.Files == nil:
		return fmt.Errorf("agent of container cluster %s: node and root are required", a.Cluster)
	}
	if a.Pods == "" {
		a.Pods = defaultPods
	}
	if !filepath.IsAbs(a.Pods) {
		return fmt.Errorf("agent on node %s: the directory of pods %s is not an absolute path", a.Node, a.Pods)
	}
	if a.Files == nil {
		if err := os.MkdirAll(a.Root, 0o755); err != nil {
			return fmt.Errorf("agent on node %s: %w", a.Node, err)
		}
		a.Files = tree.NewMachine(a.Root)
	}
	c.agents[a.Node] = a
	return nil
}
