// What serves the cluster's names where CoreDNS itself is not to be had: Debian has no CoreDNS.
//
// It takes the domain from the Corefile and answers from Services and Endpoints as the "kubernetes" plugin does (A, AAAA,
// SRV, PTR, CNAME, pods insecure), forwards everything else to the nameservers of /etc/resolv.conf, and serves the
// probes of CoreDNS' Deployment. Built within Kubernetes' own source tree, from the libraries vendored there.
// Specification: https://github.com/kubernetes/dns/blob/master/docs/specification.md
package main

import (
	"flag"
	"fmt"
	"io/ioutil"
	"log"
	"net"
	"net/http"

	"regexp"
	"strings"

	"github.com/miekg/dns"
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const ttl = 30

type server struct {
	domain    string // fully qualified, such as cluster.local.
	services  listers.ServiceLister
	byAddress cache.Indexer
	endpoints listers.EndpointsLister
	upstream  []string
}

func main() {
	corefile := flag.String("conf", "/etc/coredns/Corefile", "where the domain is read from")
	kubeconfig := flag.String("kubeconfig", "", "instead of the pod's own account")
	address := flag.String("address", ":53", "where names are served")
	health := flag.String("health", ":8080", "where /health is served")
	readiness := flag.String("ready", ":8181", "where /ready is served")
	flag.Parse()
	log.Print("a stand-in for CoreDNS, for the lab only")

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	check(err)
	factory := informers.NewSharedInformerFactory(kubernetes.NewForConfigOrDie(config), 0)
	services, endpoints := factory.Core().V1().Services(), factory.Core().V1().Endpoints()
	check(services.Informer().AddIndexers(cache.Indexers{"address": clusterIPs}))
	synced := []cache.InformerSynced{services.Informer().HasSynced, endpoints.Informer().HasSynced}
	factory.Start(nil)

	names := &server{domainOf(*corefile), services.Lister(), services.Informer().GetIndexer(), endpoints.Lister(), nil}
	if resolver, err := dns.ClientConfigFromFile("/etc/resolv.conf"); err == nil {
		for _, each := range resolver.Servers {
			names.upstream = append(names.upstream, net.JoinHostPort(each, resolver.Port))
		}
	}
	go serveOK(*health, "/health")
	cache.WaitForCacheSync(nil, synced...)
	for _, network := range []string{"udp", "tcp"} {
		go func(network string) {
			check((&dns.Server{Addr: *address, Net: network, Handler: dns.HandlerFunc(names.serve)}).ListenAndServe())
		}(network)
	}
	serveOK(*readiness, "/ready")
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func serveOK(address, path string) {
	mux := http.NewServeMux()
	mux.HandleFunc(path, func(answer http.ResponseWriter, _ *http.Request) { fmt.Fprint(answer, "OK") })
	check(http.ListenAndServe(address, mux))
}

func domainOf(corefile string) string {
	text, err := ioutil.ReadFile(corefile)
	check(err)
	found := regexp.MustCompile(`(?m)^\s*kubernetes\s+(\S+)`).FindSubmatch(text)
	if found == nil {
		log.Fatalf("%s names no domain of kubernetes", corefile)
	}
	return strings.ToLower(dns.Fqdn(string(found[1])))
}

func clusterIPs(thing interface{}) ([]string, error) {
	service := thing.(*v1.Service)
	if service.Spec.ClusterIP == v1.ClusterIPNone || service.Spec.ClusterIP == "" {
		return nil, nil
	}
	return append(append([]string{}, service.Spec.ClusterIPs...), service.Spec.ClusterIP), nil
}

func (s *server) serve(writer dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg)
	reply.SetReply(query)
	reply.RecursionAvailable = true
	if len(query.Question) != 1 {
		reply.Rcode = dns.RcodeFormatError
		_ = writer.WriteMsg(reply)
		return
	}
	question := query.Question[0]
	name := strings.ToLower(question.Name)
	records, known := []dns.RR(nil), false
	switch {
	case name == s.domain || strings.HasSuffix(name, "."+s.domain):
		reply.Authoritative = true
		records, known = s.lookup(question, strings.TrimSuffix(strings.TrimSuffix(name, s.domain), "."))
	case question.Qtype == dns.TypePTR:
		if records, known = s.reverse(question); !known {
			s.forward(writer, query)
			return
		}
	default:
		s.forward(writer, query)
		return
	}
	reply.Answer = records
	if !known {
		reply.Rcode = dns.RcodeNameError
	}
	if len(records) == 0 {
		reply.Ns = []dns.RR{&dns.SOA{
			Hdr: header(s.domain, dns.TypeSOA), Ns: "ns.dns." + s.domain, Mbox: "hostmaster." + s.domain,
			Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: ttl,
		}}
	}
	if writer.LocalAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if option := query.IsEdns0(); option != nil {
			size = int(option.UDPSize())
		}
		for reply.Len() > size && len(reply.Answer) > 0 {
			reply.Answer, reply.Truncated = reply.Answer[:len(reply.Answer)-1], true
		}
	}
	_ = writer.WriteMsg(reply)
}

func (s *server) forward(writer dns.ResponseWriter, query *dns.Msg) {
	client := &dns.Client{Net: writer.LocalAddr().Network()}
	for _, upstream := range s.upstream {
		if reply, _, err := client.Exchange(query, upstream); err == nil {
			_ = writer.WriteMsg(reply)
			return
		}
	}
	failed := new(dns.Msg)
	failed.SetRcode(query, dns.RcodeServerFailure)
	_ = writer.WriteMsg(failed)
}
