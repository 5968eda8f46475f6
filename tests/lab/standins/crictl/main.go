// What kubeadm needs of crictl, and what a person looks at first, where cri-tools itself is not to be had.
//
// crictl [-r ENDPOINT] info | version | ps [-a] | pods | images | inspecti IMAGE | pull IMAGE | stopp ID | rmp ID
// with -q and --name NAME for lists. Speaks CRI v1alpha2, by the client that kubelet's own tree has.
package main

import (
	"encoding/json"
	"fmt"
	"io/ioutil"
	"os"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1alpha2"
	"k8s.io/kubernetes/pkg/kubelet/cri/remote"
)

const config = "/etc/crictl.yaml"

func main() {
	endpoint := pflag.StringP("runtime-endpoint", "r", "", "default: that of "+config)
	all := pflag.BoolP("all", "a", false, "ps: those that ended too")
	quiet := pflag.BoolP("quiet", "q", false, "only ids")
	name := pflag.String("name", "", "only what has this in its name, a regular expression")
	_ = pflag.StringP("output", "o", "json", "of info and inspecti: json is the only one")
	_ = pflag.BoolP("force", "f", false, "rmp: no more than without it")
	pflag.Parse()
	if err := act(address(*endpoint), pflag.Args(), *all, *quiet, *name); err != nil {
		fmt.Fprintln(os.Stderr, "crictl (the lab's stand-in):", err)
		os.Exit(1)
	}
}

func address(given string) string {
	if given == "" {
		given = "unix:///run/containerd/containerd.sock"
		if text, err := ioutil.ReadFile(config); err == nil {
			if found := regexp.MustCompile(`(?m)^runtime-endpoint:\s*"?([^"\s]+)`).FindSubmatch(text); found != nil {
				given = string(found[1])
			}
		}
	}
	if strings.HasPrefix(given, "/") {
		return "unix://" + given
	}
	return given
}

func act(endpoint string, words []string, all, quiet bool, name string) error {
	runtime, err := remote.NewRemoteRuntimeService(endpoint, 2*time.Minute)
	if err != nil {
		return err
	}
	images, err := remote.NewRemoteImageService(endpoint, 10*time.Minute)
	if err != nil {
		return err
	}
	wanted, err := regexp.Compile(name)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	defer table.Flush()
	row := func(id string, columns ...interface{}) {
		fmt.Fprint(table, id)
		for _, column := range columns {
			if !quiet {
				fmt.Fprint(table, "\t", column)
			}
		}
		fmt.Fprintln(table)
	}
	switch command, operands := split(words); {
	case command == "info" && operands == nil:
		status, err := runtime.Status()
		return show(map[string]interface{}{"status": status}, err)
	case command == "version" && operands == nil:
		version, err := runtime.Version("v1alpha2")
		return show(version, err)
	case command == "ps" && operands == nil:
		containers, err := runtime.ListContainers(nil)
		for _, each := range containers {
			running := each.State == cri.ContainerState_CONTAINER_RUNNING
			if (all || running) && wanted.MatchString(each.Metadata.Name) {
				row(each.Id, short(each.State.String()), each.Metadata.Name, each.Metadata.Attempt, each.PodSandboxId)
			}
		}
		return err
	case command == "pods" && operands == nil:
		pods, err := runtime.ListPodSandbox(nil)
		for _, each := range pods {
			if wanted.MatchString(each.Metadata.Name) {
				row(each.Id, short(each.State.String()), each.Metadata.Namespace, each.Metadata.Name)
			}
		}
		return err
	case command == "images" && operands == nil:
		found, err := images.ListImages(nil)
		for _, each := range found {
			row(each.Id, strings.Join(each.RepoTags, ","), each.Size_)
		}
		return err
	case command == "inspecti" && len(operands) == 1:
		image, err := images.ImageStatus(&cri.ImageSpec{Image: operands[0]})
		if err == nil && image == nil {
			err = fmt.Errorf("no such image %q present", operands[0])
		}
		return show(map[string]interface{}{"status": image}, err)
	case command == "pull" && len(operands) == 1:
		_, err := images.PullImage(&cri.ImageSpec{Image: operands[0]}, nil, nil)
		return err
	case command == "stopp" && len(operands) == 1:
		return runtime.StopPodSandbox(operands[0])
	case command == "rmp" && len(operands) == 1:
		return runtime.RemovePodSandbox(operands[0])
	}
	return fmt.Errorf("%q: it knows info, version, ps, pods, images, inspecti, pull, stopp, rmp", strings.Join(words, " "))
}

func split(words []string) (string, []string) {
	if len(words) == 0 {
		return "", nil
	}
	if len(words) == 1 {
		return words[0], nil
	}
	return words[0], words[1:]
}

// short makes Running of CONTAINER_RUNNING.
func short(state string) string {
	word := state[strings.LastIndex(state, "_")+1:]
	return word[:1] + strings.ToLower(word[1:])
}

func show(thing interface{}, err error) error {
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(thing, "", "  ")
	fmt.Println(string(text))
	return err
}
