// A QuickFIX engine as the other side of one FIX 4.4 session, obeying a line of stdin at a time and telling on stdout what happens.
//
//   quickfix_peer strategy|venue PORT FOLDER DICTIONARY SENDER TARGET HEARTBEAT RESET(Y|N)
//
// strategy: an initiator.  venue: an acceptor with an order book of its own: orders of fewer than REST_FROM are filled at once, in
// two executions, larger ones rest.
// FOLDER keeps the numbers and sent messages over restarts, and QuickFIX's own log, in which a test reads whether anything was rejected.
//
// stdin                                stdout
//   send 35=D|11=A|…   app or admin      in|out MESSAGE, fields separated by |
//   fill CLORDID       a resting order   logon, logout
//   logon, logout, drop                  numbers NEXT_OUT NEXT_IN
//   numbers, next out|in N
// The end of stdin is the end of the process.

#include <algorithm>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>
#include <unistd.h>

#include <quickfix/Application.h>
#include <quickfix/FileLog.h>
#include <quickfix/FileStore.h>
#include <quickfix/Session.h>
#include <quickfix/SessionSettings.h>
#include <quickfix/ThreadedSocketAcceptor.h>
#include <quickfix/ThreadedSocketInitiator.h>

using namespace FIX;

static const int REST_FROM = 500;
static std::mutex telling;

static void tell(const std::string &line) {
    std::lock_guard<std::mutex> hold(telling);
    std::cout << line << std::endl;
}

static std::string text(const Message &message) {
    std::string all = message.toString();
    std::replace(all.begin(), all.end(), '\001', '|');
    return all;
}

static std::string get(const FieldMap &from, int tag) { return from.isSetField(tag) ? from.getField(tag) : ""; }

// The fields of "35=D|11=A|…": the message type into the header, 122, 43 and 97 too; all else into the body.
static Message parse(const std::string &fields) {
    Message message;
    std::istringstream in(fields);
    for (std::string field; std::getline(in, field, '|');) {
        size_t equals = field.find('=');
        if (equals == std::string::npos) continue;
        int tag = std::stoi(field.substr(0, equals));
        bool header = tag == 35 || tag == 43 || tag == 97 || tag == 122;
        (header ? static_cast<FieldMap &>(message.getHeader()) : message).setField(tag, field.substr(equals + 1));
    }
    return message;
}

struct Order {
    std::string id, cl_ord_id, symbol, side, account, px;
    int qty = 0, cum = 0;
    bool open = true;
    std::string status() const { return !open && cum < qty ? "4" : cum == qty ? "2" : cum ? "1" : "0"; }
};

struct Peer : Application {
    bool venue;
    SessionID session;
    std::mutex lock;
    std::map<std::string, Order> orders;                // by the venue's id
    std::map<std::string, std::string> ids;             // every ClOrdID → the venue's id
    int count = 0, executions = 0;
    std::string life = std::to_string(getpid()) + "-";  // no id of an earlier life comes again

    Peer(bool is_venue, const SessionID &id) : venue(is_venue), session(id) {}

    void onCreate(const SessionID &) override {}
    void onLogon(const SessionID &) override { tell("logon"); }
    void onLogout(const SessionID &) override { tell("logout"); }
    void toAdmin(Message &m, const SessionID &) override { tell("out " + text(m)); }
    void toApp(Message &m, const SessionID &) throw(DoNotSend) override { tell("out " + text(m)); }
    void fromAdmin(const Message &m, const SessionID &) throw(FieldNotFound, IncorrectDataFormat, IncorrectTagValue, RejectLogon) override {
        tell("in " + text(m));
    }
    void fromApp(const Message &m, const SessionID &) throw(FieldNotFound, IncorrectDataFormat, IncorrectTagValue, UnsupportedMessageType) override {
        tell("in " + text(m));
        if (!venue) return;
        std::lock_guard<std::mutex> hold(lock);
        std::string type = get(m.getHeader(), 35);
        if (type == "D") return enter(m);
        if (type == "F" || type == "G") return change(m, type == "G");
        if (type == "AF") return mass_status(m);
        if (type == "H") return status(m);
        throw UnsupportedMessageType();
    }

    void report(const Order &o, const std::string &exec_type, const std::string &more) {
        std::ostringstream out;
        out << "35=8|37=" << o.id << "|11=" << o.cl_ord_id << "|17=" << "E" << life << ++executions << "|150=" << exec_type << "|39=" << o.status() << "|55=" << o.symbol
            << "|54=" << o.side << "|38=" << o.qty << "|44=" << o.px << "|14=" << o.cum << "|151=" << (o.open ? o.qty - o.cum : 0) << "|6=" << (o.cum ? o.px : "0") << "|";
        if (!o.account.empty()) out << "1=" << o.account << "|";
        Message message = parse(out.str() + more);
        Session::sendToTarget(message, session);
    }

    void execute(Order &o, int qty) {
        o.cum += qty;
        o.open = o.cum < o.qty;
        report(o, "F", "32=" + std::to_string(qty) + "|31=" + o.px + "|");
    }

    void enter(const Message &m) {
        Order o;
        o.id = "V" + life + std::to_string(++count);
        o.cl_ord_id = get(m, 11), o.symbol = get(m, 55), o.side = get(m, 54), o.account = get(m, 1), o.px = get(m, 44), o.qty = std::stoi(get(m, 38));
        Order &kept = orders[o.id] = o;
        ids[o.cl_ord_id] = o.id;
        report(kept, "0", "");
        if (o.qty >= REST_FROM) return;
        execute(kept, o.qty / 2);
        execute(kept, o.qty - o.qty / 2);
    }

    void change(const Message &m, bool replace) {
        auto found = ids.find(get(m, 41));
        Order *o = found == ids.end() ? nullptr : &orders[found->second];
        std::string old = get(m, 41), id = get(m, 11);
        if (o == nullptr || !o->open || o->cl_ord_id != old) {
            Message refusal = parse("35=9|37=" + (o ? o->id : "NONE") + "|11=" + id + "|41=" + old + "|39=" + (o ? o->status() : "8") + "|434=" + (replace ? "2" : "1") + "|102=" + (o ? "0" : "1") + "|");
            Session::sendToTarget(refusal, session);
            return;
        }
        ids[id] = o->id;
        o->cl_ord_id = id;
        if (replace) o->qty = std::stoi(get(m, 38)), o->px = get(m, 44);
        else o->open = false;
        report(*o, replace ? "5" : "4", "41=" + old + "|");
    }

    void status(const Message &m) {
        auto found = ids.find(get(m, 11));
        if (found != ids.end()) return report(orders[found->second], "I", "");
        Message unknown = parse("35=8|37=NONE|11=" + get(m, 11) + "|17=E" + life + std::to_string(++executions) + "|150=I|39=8|103=5|55=" + get(m, 55) + "|54=" + get(m, 54) + "|14=0|151=0|6=0|");
        Session::sendToTarget(unknown, session);
    }

    void mass_status(const Message &m) {
        std::string asked = "584=" + get(m, 584) + "|";
        size_t open = 0, told = 0;
        for (auto &each : orders) open += each.second.open;
        for (auto &each : orders)
            if (each.second.open) report(each.second, "I", asked + "911=" + std::to_string(open) + "|912=" + (++told == open ? "Y" : "N") + "|");
        if (open) return;
        // The standard has no form for "nothing is open"; one report that says so of no order is what many venues send.
        Message none = parse("35=8|37=NONE|17=E" + std::to_string(++executions) + "|150=I|39=4|55=[N/A]|54=7|14=0|151=0|6=0|" + asked + "911=0|912=Y|");
        Session::sendToTarget(none, session);
    }

    void obey(const std::string &word, std::istringstream &rest) {
        Session *mine = Session::lookupSession(session);
        if (word == "send") {
            std::string fields;
            std::getline(rest >> std::ws, fields);
            Message message = parse(fields);
            Session::sendToTarget(message, session);
        } else if (word == "fill") {
            std::string id;
            rest >> id;
            std::lock_guard<std::mutex> hold(lock);
            Order &o = orders[ids.at(id)];
            execute(o, o.qty - o.cum);
        } else if (word == "logon") mine->logon();
        else if (word == "logout") mine->logout();
        else if (word == "drop") mine->disconnect();
        else if (word == "next") {
            std::string direction;
            int number;
            rest >> direction >> number;
            if (direction == "out") mine->setNextSenderMsgSeqNum(number);
            else mine->setNextTargetMsgSeqNum(number);
        } else if (word == "numbers") tell("numbers " + std::to_string(mine->getExpectedSenderNum()) + " " + std::to_string(mine->getExpectedTargetNum()));
        else tell("unknown " + word);
    }
};

template <class Engine, class... Rest> static void run(Peer &peer, Rest &...rest) {
    Engine engine(peer, rest...);
    tell("ready");
    engine.start();
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string word;
        words >> word;
        peer.obey(word, words);
    }
    engine.stop();  // logs out first
}

int main(int argc, char **argv) {
    if (argc != 9) return 2;
    bool venue = std::string(argv[1]) == "venue";
    std::string port = argv[2], folder = argv[3], begin = "FIX.4.4", sender = argv[5], target = argv[6];
    std::istringstream text(
        std::string("[DEFAULT]\nConnectionType=") + (venue ? "acceptor" : "initiator") + "\nReconnectInterval=1\nStartTime=00:00:00\nEndTime=00:00:00\n" +
        "SocketNodelay=Y\nSocketReuseAddress=Y\nSocketAcceptPort=" + port + "\nSocketConnectHost=127.0.0.1\nSocketConnectPort=" + port +
        "\nHeartBtInt=" + argv[7] + "\nResetOnLogon=" + argv[8] + "\nUseDataDictionary=Y\nDataDictionary=" + argv[4] +
        "\nValidateUserDefinedFields=Y\nValidateFieldsOutOfOrder=Y\nValidateFieldsHaveValues=Y\nFileStorePath=" + folder + "/store\nFileLogPath=" + folder +
        "/log\n[SESSION]\nBeginString=" + begin + "\nSenderCompID=" + sender + "\nTargetCompID=" + target + "\n");
    try {
        SessionSettings settings(text);
        FileStoreFactory store(settings);
        FileLogFactory log(settings);
        Peer peer(venue, SessionID(begin, sender, target));
        if (venue) run<ThreadedSocketAcceptor>(peer, store, settings, log);
        else run<ThreadedSocketInitiator>(peer, store, settings, log);
        return 0;
    } catch (std::exception &error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
}
